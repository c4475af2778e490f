import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../common/linux/syscall_error.ts";
import { UdpSocket } from "../../common/linux/udp.ts";
import { readMessage, writeMessage } from "../../common/protocol/transport/names.ts";
import { Questions, serveNames } from "./names.ts";

const HERE = Uint8Array.of(127, 0, 0, 11);
const PORT = 15353;

/** A message of an id, and a word behind its header. */
function message(id: number, word: string): Uint8Array {
  const bytes = new Uint8Array(12 + word.length);
  new DataView(bytes.buffer).setUint16(0, id, false);
  bytes.set(new TextEncoder().encode(word), 12);
  return bytes;
}

function wordOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(12));
}

function idOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, false);
}

Deno.test("Questions gives every answer to who asked, with the id it asked by", () => {
  const open = new Questions(), peers = [Uint8Array.of(1), Uint8Array.of(2)];
  const asked = peers.map((peer) => {
    const bytes = message(7, "");
    open.note(bytes, peer);
    return bytes;
  });
  assert(idOf(asked[0] ?? HERE) !== idOf(asked[1] ?? HERE));
  for (const [at, bytes] of [...asked.entries()].reverse()) {
    assertEquals(open.settle(bytes), peers[at]);
    assertEquals(idOf(bytes), 7);
  }
  assertEquals(open.settle(message(1, "")), undefined);
});

Deno.test("Questions forgets the oldest of too many", () => {
  const open = new Questions(), first = message(1, "");
  open.note(first, HERE);
  const rest = Array.from({ length: 1024 }, () => message(2, ""));
  for (const each of rest) open.note(each, HERE);
  assertEquals(open.settle(first), undefined);
  assertEquals(open.settle(rest[0] ?? first), HERE);
});

/** Two ends of one connection. */
async function pair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const one = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  return [one, await accepted];
}

Deno.test("serveNames asks the host what programs ask, answers them, and ends with the connection", async () => {
  const [host, guest] = await pair(), { signal } = new AbortController();
  const served = serveNames(guest, HERE, PORT);
  const greeting = new Uint8Array(3);
  await host.read(greeting);
  assertEquals(new TextDecoder().decode(greeting), "OK\n");
  const programs = [UdpSocket.connect(HERE, PORT), UdpSocket.connect(HERE, PORT)];
  programs.forEach((program, at) => program.send(message(5, `question ${at}`)));
  programs[0]?.send(new Uint8Array(3)); // no message: nobody is asked
  const asked = [await readMessage(host), await readMessage(host)];
  for (const question of asked.reverse()) {
    assert(question);
    await writeMessage(
      host,
      message(idOf(question), wordOf(question).replace("question", "answer")),
    );
  }
  for (const [at, program] of programs.entries()) {
    const buffer = new Uint8Array(100);
    const { length } = await program.receive(buffer, signal);
    assertEquals([idOf(buffer), wordOf(buffer.subarray(0, length))], [5, `answer ${at}`]);
    program[Symbol.dispose]();
  }
  host.close();
  await served;
  UdpSocket.bind(HERE, PORT)[Symbol.dispose](); // nobody has the port any more
});

Deno.test("UdpSocket takes no port that somebody has", () => {
  using _held = UdpSocket.bind(HERE, PORT);
  assertThrows(() => UdpSocket.bind(HERE, PORT), SyscallError, "EADDRINUSE");
});
