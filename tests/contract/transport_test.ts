import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import {
  closeQuietly,
  type Connection,
  writeAll,
} from "../../common/protocol/transport/connection.ts";
import { rounds } from "../support/full.ts";
import { hybridVsock } from "./transport/hybrid_vsock.ts";
import { serial } from "./transport/serial.ts";
import { type Fixture, type Transport } from "./transport/fixture.ts";
import { vsockLoopback } from "./transport/vsock_loopback.ts";

const PORT = 1024;
const MIB = 1024 * 1024;
/** How a dial ends that comes to nothing. */
const GIVEN_UP: readonly Code[] = [Code.DeadlineExceeded, Code.Unavailable];
/** Carried each way at once. */
const BULK_MIB = rounds(64, 1024);

for (const transport of [hybridVsock, serial, vsockLoopback]) {
  check(transport, `carries ${BULK_MIB} MiB each way at once, unchanged`, carriesBulk);
  check(transport, "serves 200 connections at once", servesMany);
  check(transport, "closes one direction and keeps the other", closesHalf);
  check(transport, "tells each side when the other closes", tellsOfClose);
  check(transport, "waits for a listener that comes later", waitsForListener);
  check(transport, "gives up a dial when its signal aborts", givesUp);
  check(transport, "names a time limit as DeadlineExceeded", timesOut);
  check(
    transport,
    "ends connections when the guest vanishes, and reaches the next guest",
    survivesGuest,
  );
  check(transport, "serves the next host when one leaves amid a transfer", survivesHost);
  check(transport, "holds a writer back while its reader does not read", pushesBack);
  check(
    transport,
    "keeps serving after a hostile host",
    survivesHostileHost,
    (fixture) => fixture.rawHost !== undefined,
  );
  check(
    transport,
    "gives up on a hostile guest, and reaches the next one",
    survivesHostileGuest,
    (fixture) => fixture.hostileGuest !== undefined,
  );
}

function check(
  transport: Transport,
  promise: string,
  body: (fixture: Fixture) => Promise<void>,
  applies: (fixture: Fixture) => boolean = () => true,
): void {
  const why = transport.missing === undefined ? "" : ` (not tried: ${transport.missing})`;
  const name = `${transport.name} transport ${promise}${why}`;
  Deno.test({ name, ignore: transport.missing !== undefined }, async () => {
    await using fixture = await transport.start();
    if (applies(fixture)) await body(fixture);
  });
}

async function carriesBulk(fixture: Fixture): Promise<void> {
  const [host, guest] = await pair(fixture);
  const digests = await Promise.all([
    sendBulk(host, 1),
    sendBulk(guest, 2),
    receiveAll(host),
    receiveAll(guest),
  ]);
  assertEquals(digests[2], digests[1]);
  assertEquals(digests[3], digests[0]);
  host.close();
  guest.close();
}

async function servesMany(fixture: Fixture): Promise<void> {
  void echoLoop(fixture, PORT);
  const replies = await Promise.all(
    Array.from({ length: 200 }, (_, i) => exchange(fixture, `message ${i}`)),
  );
  assertEquals(replies, Array.from({ length: 200 }, (_, i) => `message ${i}`));
}

async function closesHalf(fixture: Fixture): Promise<void> {
  const [host, guest] = await pair(fixture);
  await writeAll(host, text("question"));
  await host.closeWrite();
  assertEquals(await readText(guest), "question");
  await writeAll(guest, text("answer"));
  await guest.closeWrite();
  assertEquals(await readText(host), "answer");
  host.close();
  guest.close();
}

async function tellsOfClose(fixture: Fixture): Promise<void> {
  const first = await pair(fixture);
  await writeAll(first[0], text("last words"));
  first[0].close();
  assertEquals(await readText(first[1]), "last words");
  first[1].close();
  const second = await pair(fixture, PORT + 1);
  second[1].close();
  assert(await ended(second[0]));
  second[0].close();
}

async function waitsForListener(fixture: Fixture): Promise<void> {
  const dialing = fixture.dialer.dial(PORT, AbortSignal.timeout(10_000));
  await new Promise((resolve) => setTimeout(resolve, 100)); // long enough for attempts to fail
  const accepted = first(fixture.listen(PORT));
  const [host, guest] = await Promise.all([dialing, accepted]);
  host.close();
  guest.close();
}

async function givesUp(fixture: Fixture): Promise<void> {
  const controller = new AbortController();
  const dialing = fixture.dialer.dial(PORT, controller.signal);
  setTimeout(() => controller.abort(), 20);
  const error = await assertRejects(() => dialing, RuntimeError);
  assertEquals(error.code, Code.Canceled);
}

async function timesOut(fixture: Fixture): Promise<void> {
  const error = await assertRejects(
    () => fixture.dialer.dial(PORT, AbortSignal.timeout(20)),
    RuntimeError,
  );
  assertEquals(error.code, Code.DeadlineExceeded);
}

async function survivesGuest(fixture: Fixture): Promise<void> {
  const [host] = await pair(fixture);
  const read = ended(host);
  await fixture.restartGuest();
  assert(await read);
  host.close();
  void echoLoop(fixture, PORT);
  assertEquals(await exchange(fixture, "again"), "again");
}

async function survivesHost(fixture: Fixture): Promise<void> {
  void echoLoop(fixture, PORT);
  for (let round = 0; round < 5; round++) {
    const host = fixture.openDialer();
    const connection = await host.dial(PORT, AbortSignal.timeout(10_000));
    const writing = writeAll(connection, noise(300_000 + round)).catch(() => {}); // cut off below
    await connection.read(new Uint8Array(100));
    connection.close();
    host.close();
    await writing;
  }
  assertEquals(await exchange(fixture, "next"), "next");
}

async function pushesBack(fixture: Fixture): Promise<void> {
  const [host, guest] = await pair(fixture);
  let written = 0;
  const writing = (async () => {
    const block = new Uint8Array(64 * 1024);
    for (; written < 64 * MIB; written += block.length) await writeAll(guest, block);
    await guest.closeWrite();
  })();
  await new Promise((resolve) => setTimeout(resolve, 300)); // time enough to write far more, were it allowed
  assert(written < 8 * MIB, `${written} bytes were taken without a reader`);
  assertEquals(await count(host), 64 * MIB);
  await writing;
  host.close();
  guest.close();
}

async function survivesHostileHost(fixture: Fixture): Promise<void> {
  for (
    const bytes of [
      text("CONNECT 99999999999\n"),
      text("CONNECT -1\n"),
      new Uint8Array(100_000).fill(0x41),
      noise(200_000),
    ]
  ) {
    const raw = await fixture.rawHost?.();
    if (raw === undefined) return;
    await writeAll(raw, bytes).catch(() => {}); // closed on us: as it should be
    raw.close();
  }
  void echoLoop(fixture, PORT);
  assertEquals(await exchange(fixture, "still here"), "still here");
}

async function survivesHostileGuest(fixture: Fixture): Promise<void> {
  const endless = "x".repeat(100_000);
  for (const bytes of [text("OK what\n"), text(endless), new Uint8Array(100_000), noise(200_000)]) {
    await fixture.hostileGuest?.(bytes);
    const host = fixture.openDialer();
    const error = await assertRejects(
      () => host.dial(PORT, AbortSignal.timeout(500)),
      RuntimeError,
    );
    assert(GIVEN_UP.includes(error.code), error.message);
    host.close();
  }
  await fixture.restartGuest();
  void echoLoop(fixture, PORT);
  assertEquals(await exchange(fixture, "an honest one"), "an honest one");
}

/** A connection's both ends: host, guest. */
async function pair(fixture: Fixture, port = PORT): Promise<[Connection, Connection]> {
  const accepted = first(fixture.listen(port));
  return await Promise.all([fixture.dialer.dial(port, AbortSignal.timeout(10_000)), accepted]);
}

async function first(connections: AsyncIterable<Connection>): Promise<Connection> {
  for await (const connection of connections) return connection;
  throw new Error("The listener was closed");
}

async function echoLoop(fixture: Fixture, port: number): Promise<void> {
  for await (const connection of fixture.listen(port)) {
    echo(connection).catch(() => closeQuietly(connection)); // its host has left
  }
}

async function echo(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(4096);
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    await writeAll(connection, buffer.subarray(0, n));
  }
  connection.close();
}

async function exchange(fixture: Fixture, message: string): Promise<string> {
  const connection = await fixture.dialer.dial(PORT, AbortSignal.timeout(20_000));
  await writeAll(connection, text(message));
  await connection.closeWrite();
  const reply = await readText(connection);
  connection.close();
  return reply;
}

async function sendBulk(connection: Connection, seed: number): Promise<string> {
  const hash = createHash("md5");
  const block = noise(MIB + seed);
  for (let left = BULK_MIB * MIB; left > 0;) {
    const part = block.subarray(0, Math.min(left, block.length));
    hash.update(part);
    await writeAll(connection, part);
    left -= part.length;
  }
  await connection.closeWrite();
  return hash.digest("hex");
}

async function receiveAll(connection: Connection): Promise<string> {
  const hash = createHash("md5");
  const buffer = new Uint8Array(64 * 1024);
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    hash.update(buffer.subarray(0, n));
  }
  return hash.digest("hex");
}

async function count(connection: Connection): Promise<number> {
  const buffer = new Uint8Array(64 * 1024);
  let total = 0;
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    total += n;
  }
  return total;
}

async function readText(connection: Connection): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(1024);
  let all = "";
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    all += decoder.decode(buffer.subarray(0, n), { stream: true });
  }
  return all;
}

/** True once the peer has gone, whether it said so or not. */
async function ended(connection: Connection): Promise<boolean> {
  return await connection.read(new Uint8Array(1)).catch(() => null) === null;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
}
