import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { assemble } from "./bpf.ts";
import { FdStream } from "./fd_stream.ts";
import { LoopbackListener, resetOnClose } from "./loopback_listener.ts";
import { NetlinkSocket } from "./netlink.ts";
import { createNetns, inNetns } from "./netns.ts";
import { pollIdle } from "./poll.ts";
import { setLink } from "./rtnetlink/link.ts";

Deno.test("assemble knows where jumps lead, and misses labels", () => {
  const bytes = assemble([{ code: 5, target: "end" }, { code: 0 }, "end", { code: 0x95 }]);
  assertEquals(new DataView(bytes.buffer).getInt16(2, true), 1);
  assertThrows(() => assemble([{ code: 5, target: "end" }]), RangeError, "end");
});

/** Talks to a port in the namespace. @returns What came back, or what the shell says of it. */
async function talk(fd: number, host: string, port: number): Promise<string> {
  const script = `exec 3<>/dev/tcp/${host}/${port} && printf ping >&3 && cat <&3`;
  const { stdout, stderr } = await new Deno.Command("nsenter", {
    args: [`--net=/proc/${Deno.pid}/fd/${fd}`, "bash", "-c", script],
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

const ignore = Deno.uid() !== 0;

Deno.test({
  name: "LoopbackListener takes connections to any port of either family" +
    (ignore ? " (skipped: needs root)" : ""),
  ignore,
  sanitizeOps: false,
  fn: async () => {
    using namespace = createNetns();
    using netlink = inNetns(namespace.fd, () => NetlinkSocket.open());
    setLink(netlink, "lo", 1, { up: true });
    const listener = LoopbackListener.open(namespace.fd), signal = AbortSignal.timeout(5000);
    for (
      const [host, port, family] of [["127.0.0.1", 80, 4], ["::1", 65535, 6], [
        "127.9.9.9",
        1,
        4,
      ]] as const
    ) {
      const talking = talk(namespace.fd, host, port);
      const taken = await listener.accept(signal);
      assertEquals([taken.port, taken.family], [port, family]);
      {
        using stream = new FdStream(taken.fd);
        await stream.read(new Uint8Array(16));
        await stream.write(new TextEncoder().encode("pong"));
      }
      assertEquals(await talking, "pong");
    }
    const refused = talk(namespace.fd, "127.0.0.1", 81);
    {
      using stream = new FdStream((await listener.accept(signal)).fd);
      resetOnClose(stream.fd);
    }
    assertMatch(await refused, /reset by peer/);
    listener[Symbol.dispose]();
    assertMatch(await talk(namespace.fd, "127.0.0.1", 80), /refused/);
    await pollIdle();
  },
});
