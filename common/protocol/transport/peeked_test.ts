import { assertEquals } from "@std/assert";
import { connectedPair } from "../testing/connections.ts";
import { pollIdle } from "../../linux/poll.ts";
import { peek } from "./peeked.ts";

Deno.test("peek shows the first byte and leaves it to be read", async () => {
  const [near, far] = connectedPair();
  await far.write(Uint8Array.of(80, 82, 73));
  await far.closeWrite();
  const { first, connection } = await peek(near);
  const read: number[] = [];
  const into = new Uint8Array(8);
  for (let n = await connection.read(into); n !== null; n = await connection.read(into)) {
    read.push(...into.subarray(0, n));
  }
  assertEquals([first, read], [80, [80, 82, 73]]);
  connection.close();
  far.close();
  await pollIdle();
});

Deno.test("peek tells a peer that left without a byte", async () => {
  const [near, far] = connectedPair();
  far.close();
  assertEquals((await peek(near)).first, undefined);
  near.close();
  await pollIdle();
});
