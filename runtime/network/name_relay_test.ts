import { assert, assertEquals } from "@std/assert";
import { listLinks, setLink } from "../../common/linux/rtnetlink/link.ts";
import { UdpSocket } from "../../common/linux/udp.ts";
import { type Connection, writeAll } from "../../common/protocol/transport/connection.ts";
import { readForwardLine } from "../../common/protocol/transport/forward.ts";
import { NAMES_PORT, readMessage, writeMessage } from "../../common/protocol/transport/names.ts";
import { NameRelay } from "./name_relay.ts";
import { NetworkNamespace } from "./namespace.ts";

const SERVER = Uint8Array.of(127, 0, 0, 11);
const ignore = Deno.uid() !== 0;
const why = ignore ? " (skipped: needs root)" : "";

/** A guest whose end of the connection the test holds. */
async function guest(): Promise<
  { ours: Deno.TcpConn; dial: () => Promise<Connection>; dials: () => number }
> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const theirs = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  let count = 0;
  const dial = (): Promise<Connection> => {
    count++;
    return Promise.resolve(theirs);
  };
  return { ours: await accepted, dial, dials: () => count };
}

function question(word: string): Uint8Array {
  const bytes = new Uint8Array(12 + word.length);
  bytes.set(new TextEncoder().encode(word), 12);
  return bytes;
}

Deno.test({
  name: `NameRelay begins once there is a name server, and carries questions to it${why}`,
  ignore,
  fn: async () => {
    using namespace = NetworkNamespace.make();
    const lo = listLinks(namespace.netlink).find(({ name }) => name === "lo")?.index ?? 0;
    setLink(namespace.netlink, "bring up lo", lo, { up: true });
    const over = new AbortController(), { ours, dial, dials } = await guest();
    const relay = new NameRelay(namespace, { dial }, over.signal);
    await relay.look();
    assertEquals(dials(), 0);
    using server = namespace.inside(() => UdpSocket.bind(SERVER, NAMES_PORT));
    const looked = relay.look();
    assertEquals(await readForwardLine(ours), "DNS 127.0.0.11");
    let again = false;
    const lookedAgain = relay.look().then(() => again = true);
    await new Promise((resolve) => setTimeout(resolve)); // whatever has resolved is told
    assertEquals(again, false);
    await writeAll(ours, new TextEncoder().encode("OK\n"));
    await Promise.all([looked, lookedAgain]);
    await relay.look();
    assertEquals(dials(), 1);

    await writeMessage(ours, question("who is web?"));
    const buffer = new Uint8Array(100);
    const { length, peer } = await server.receive(buffer, over.signal);
    assertEquals(buffer.subarray(0, length), question("who is web?"));
    server.send(question("it is I"), peer);
    assertEquals(await readMessage(ours), question("it is I"));

    over.abort();
    assertEquals(await ours.read(buffer), null);
    ours.close();
  },
});

Deno.test({
  name: `NameRelay does without a guest that refuses, and tries again later${why}`,
  ignore,
  fn: async () => {
    using namespace = NetworkNamespace.make();
    using _server = namespace.inside(() => UdpSocket.bind(SERVER, NAMES_PORT));
    const over = new AbortController(), { ours, dial, dials } = await guest();
    const relay = new NameRelay(namespace, { dial }, over.signal);
    const looked = relay.look();
    await readForwardLine(ours);
    await writeAll(ours, new TextEncoder().encode("NO it is taken\n"));
    await looked;
    await relay.look().catch(() => assert(false, "look never throws"));
    assertEquals(dials(), 2);
    ours.close();
    over.abort();
  },
});
