import { assertEquals, assertRejects } from "@std/assert";
import { copy } from "./copy.ts";
import { pipe } from "./fd.ts";
import { FdStream } from "./fd_stream.ts";
import { pollIdle } from "./poll.ts";

function pipeStreams(): [FdStream, FdStream] {
  const [read, write] = pipe();
  return [new FdStream(read), new FdStream(write)];
}

Deno.test("copy moves all bytes from end to end", async () => {
  const [from, source] = pipeStreams();
  const [sink, to] = pipeStreams();
  const total = 3_000_000;
  const feeding = source.write(new Uint8Array(total)).then(() => source.close());
  const copying = copy(from, to).finally(() => to.close());
  let got = 0;
  const buffer = new Uint8Array(10_000);
  for (let count; (count = await sink.read(buffer)) !== null;) got += count;
  await feeding;
  assertEquals([await copying, got], [total, total]);
  for (const stream of [from, sink]) stream.close();
});

Deno.test("copy stops when its signal aborts, whether its ends know signals or not", async () => {
  const [from, source] = pipeStreams();
  const [sink, to] = pipeStreams();
  const deaf = { read: (_: Uint8Array) => new Promise<number | null>(() => {}) };
  for (const reader of [from, deaf]) {
    const signal = AbortSignal.timeout(10);
    await assertRejects(() => copy(reader, to, undefined, signal), DOMException, "timed out");
  }
  for (const stream of [from, source, sink, to]) stream.close();
  await pollIdle();
});
