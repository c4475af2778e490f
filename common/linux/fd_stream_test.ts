import { assert, assertEquals, assertRejects } from "@std/assert";
import { close, dup, O, open, pipe, setNonblocking, statusFlags } from "./fd.ts";
import { FdStream } from "./fd_stream.ts";
import { pollIdle } from "./poll.ts";
import { openPty } from "./pty.ts";
import { reaper } from "./reaper.ts";
import { socketPair } from "./socket.ts";
import { spawn } from "./spawn.ts";
import { SyscallError } from "./syscall_error.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function readAll(from: FdStream): Promise<Uint8Array> {
  const parts: number[] = [];
  const buffer = new Uint8Array(8192);
  for (let count; (count = await from.read(buffer)) !== null;) {
    parts.push(...buffer.subarray(0, count));
  }
  return Uint8Array.from(parts);
}

function pipeStreams(): [FdStream, FdStream] {
  const [read, write] = pipe();
  return [new FdStream(read), new FdStream(write)];
}

function tick(ms = 5): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("FdStream carries what exceeds a pipe's buffer, byte for byte", async () => {
  const [reader, writer] = pipeStreams();
  using _ = reader;
  const sent = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
  const writing = writer.write(sent).then((count) => (writer.close(), count));
  assertEquals(await readAll(reader), sent);
  assertEquals(await writing, sent.length);
});

Deno.test("FdStream.read waits for bytes that come later", async () => {
  const [reader, writer] = pipeStreams();
  using _ = reader, __ = writer;
  const buffer = new Uint8Array(10);
  for (const word of ["one", "two", "three"]) {
    const reading = reader.read(buffer);
    await tick();
    await writer.write(text(word));
    assertEquals(await reading, word.length);
    assertEquals(buffer.subarray(0, word.length), text(word));
  }
});

Deno.test("FdStream.write keeps concurrent writes apart and in order", async () => {
  const [reader, writer] = pipeStreams();
  using _ = reader;
  const pieces = [1, 2, 3, 4].map((value) => new Uint8Array(100_000).fill(value));
  const writing = Promise.all(pieces.map((piece) => writer.write(piece)));
  const reading = readAll(reader);
  await writing;
  writer.close();
  const got = await reading;
  assertEquals(got, Uint8Array.from(pieces.flatMap((piece) => [...piece])));
});

Deno.test("FdStream.write rejects with EPIPE when the reader is gone, at once or while waiting", async () => {
  const [reader, writer] = pipeStreams();
  using _ = writer;
  const waiting = writer.write(new Uint8Array(1_000_000));
  await tick();
  reader.close();
  const error = await assertRejects(() => waiting, SyscallError);
  assertEquals(error.code, "EPIPE");
  assertEquals((await assertRejects(() => writer.write(text("x")), SyscallError)).code, "EPIPE");
  await pollIdle();
});

Deno.test("FdStream.close ends a pending read with null and a pending write with EBADF", async () => {
  const [reader, writer] = pipeStreams();
  const reading = reader.read(new Uint8Array(1));
  await tick();
  reader.close();
  assertEquals(await reading, null);
  assertEquals(await reader.read(new Uint8Array(1)), null);

  const [idle, full] = pipeStreams();
  const writing = full.write(new Uint8Array(1_000_000));
  await tick();
  full.close();
  assertEquals((await assertRejects(() => writing, SyscallError)).code, "EBADF");
  idle.close();
  writer.close();
  assertEquals([reader.fd, writer.fd], [-1, -1]);
  await pollIdle();
});

Deno.test("FdStream.read ends with null when its signal aborts, and loses nothing", async () => {
  const [reader, writer] = pipeStreams();
  using _ = reader, __ = writer;
  const abort = new AbortController();
  const reading = reader.read(new Uint8Array(4), abort.signal);
  await tick();
  abort.abort();
  assertEquals(await reading, null);
  await writer.write(text("kept"));
  assertEquals(await reader.read(new Uint8Array(4)), 4);
  await pollIdle();
});

Deno.test("FdStream survives closing and reuse of the same number under load", async () => {
  for (let round = 0; round < 200; round++) {
    const [reader, writer] = pipeStreams();
    const reading = reader.read(new Uint8Array(4));
    await writer.write(text("data"));
    if (round % 2 === 0) reader.close(); // an event for it may be under way
    const [next, nextWriter] = pipeStreams();
    const nextReading = next.read(new Uint8Array(4));
    assertEquals([4, null].includes(await reading), true);
    await nextWriter.write(text("more"));
    assertEquals(await nextReading, 4);
    for (const stream of [reader, writer, next, nextWriter]) stream.close();
  }
  await pollIdle();
});

Deno.test("FdStream.release gives a blocking descriptor back, still open", async () => {
  const [read, write] = pipe();
  const stream = new FdStream(read);
  assertEquals(statusFlags(read) & O.NONBLOCK, O.NONBLOCK);
  const reading = stream.read(new Uint8Array(1));
  await tick();
  assertEquals(stream.release(), read);
  assertEquals(await reading, null);
  assertEquals(statusFlags(read) & O.NONBLOCK, 0);
  assertEquals(stream.release(), -1);
  stream.close();
  using again = new FdStream(read);
  using writer = new FdStream(write);
  await writer.write(text("x"));
  assertEquals(await again.read(new Uint8Array(1)), 1);
  await pollIdle();
});

Deno.test("FdStream.release makes a socket fit for a child's stdio", async () => {
  const [ours, theirs] = socketPair();
  const released = new FdStream(theirs).release();
  assertEquals(statusFlags(released) & O.NONBLOCK, 0);
  const pid = spawn({ argv: ["/bin/cat"], fds: { 0: released, 1: released } });
  close(released);
  using stream = new FdStream(ours);
  await stream.write(text("through cat"));
  await stream.closeWrite();
  assertEquals(await readAll(stream), text("through cat"));
  assertEquals(await reaper().exit(pid), { code: 0 });
});

Deno.test("FdStream.closeWrite ends what a socket's peer reads, after queued writes", async () => {
  const [left, right] = socketPair().map((fd) => new FdStream(fd)) as [FdStream, FdStream];
  using _ = left, __ = right;
  const sent = new Uint8Array(1_000_000).fill(7);
  const writing = left.write(sent);
  const closing = left.closeWrite();
  assertEquals((await readAll(right)).length, sent.length);
  await Promise.all([writing, closing]);
  await right.write(text("back"));
  assertEquals(await left.read(new Uint8Array(9)), 4);
});

Deno.test("FdStream reads a terminal's master to its end and passes input on", async () => {
  const pty = openPty();
  const slave = open(pty.slavePath, O.RDWR | O.NOCTTY);
  const pid = spawn({
    argv: ["/bin/sh", "-c", "read line; echo got $line"],
    fds: { 0: slave, 1: slave, 2: slave },
    newSession: true,
  });
  close(slave);
  using master = new FdStream(pty.master);
  await master.write(text("word\n"));
  assertEquals(new TextDecoder().decode(await readAll(master)), "word\r\ngot word\r\n");
  assertEquals(await reaper().exit(pid), { code: 0 });
});

Deno.test("FdStream reads and writes regular files, which epoll refuses", async () => {
  const path = await Deno.makeTempFile();
  using writer = new FdStream(open(path, O.WRONLY));
  await writer.write(text("on disk"));
  using reader = new FdStream(open(path, O.RDONLY));
  assertEquals(await readAll(reader), text("on disk"));
  await Deno.remove(path);
});

Deno.test("FdStream on a FIFO meets no end while a writer is held", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/fifo`;
  const made = spawn({ argv: ["/usr/bin/mkfifo", path] });
  assertEquals(await reaper().exit(made), { code: 0 });
  using reader = new FdStream(open(path, O.RDONLY | O.NONBLOCK));
  const held = open(path, O.WRONLY | O.NONBLOCK);
  for (const word of ["first", "second"]) {
    using writer = new FdStream(open(path, O.WRONLY | O.NONBLOCK));
    await writer.write(text(word));
    assertEquals(await reader.read(new Uint8Array(99)), word.length);
  }
  const reading = reader.read(new Uint8Array(1));
  close(held);
  assertEquals(await reading, null);
  await pollIdle();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("FdStream with hangupIsIdle waits on where others see the end", async () => {
  // A FIFO without writers reads 0 bytes and hangs up, as a virtio port does while the host is away.
  const folder = await Deno.makeTempDir();
  const path = `${folder}/fifo`;
  assertEquals(await reaper().exit(spawn({ argv: ["/usr/bin/mkfifo", path] })), { code: 0 });
  using reader = new FdStream(open(path, O.RDONLY | O.NONBLOCK), { hangupIsIdle: true });
  for (const word of ["one", "two"]) {
    const reading = reader.read(new Uint8Array(99));
    await tick();
    const writer = new FdStream(open(path, O.WRONLY | O.NONBLOCK));
    await writer.write(text(word));
    assertEquals(await reading, word.length);
    writer.close();
  }
  const reading = reader.read(new Uint8Array(99));
  await tick();
  reader.close();
  assertEquals(await reading, null);
  await pollIdle();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("FdStream lets timers run while its descriptor is always ready", async () => {
  using zeros = new FdStream(open("/dev/zero", O.RDONLY));
  const buffer = new Uint8Array(65536);
  let fired = false;
  const timer = setTimeout(() => fired = true, 1);
  for (let reads = 0; !fired && reads < 1_000_000; reads++) await zeros.read(buffer);
  clearTimeout(timer);
  assertEquals(fired, true);
});

Deno.test("FdStream rejects what is no open descriptor", () => {
  const [read, write] = pipe();
  const copy = dup(read, 500);
  for (const fd of [read, write, copy]) close(fd);
  try {
    new FdStream(copy);
  } catch (error) {
    assertEquals(error instanceof SyscallError && error.code, "EBADF");
    return;
  }
  throw new Error("took a closed descriptor");
});

Deno.test("a program ends by itself although an idle stream is open", async () => {
  const script = `
    import { pipe } from ${JSON.stringify(new URL("./fd.ts", import.meta.url))};
    import { FdStream } from ${JSON.stringify(new URL("./fd_stream.ts", import.meta.url))};
    const [read, write] = pipe();
    const reader = new FdStream(read), writer = new FdStream(write);
    const reading = reader.read(new Uint8Array(1));
    setTimeout(() => writer.write(new Uint8Array(1)), 20);
    await reading;
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 20);
    await reader.read(new Uint8Array(1), abort.signal);
  `;
  const pid = spawn({ argv: [Deno.execPath(), "eval", "--no-lock", "--no-config", script] });
  assertEquals(await reaper().exit(pid), { code: 0 });
});

Deno.test("setNonblocking tells what was set before", () => {
  const [read, write] = pipe();
  assertEquals([setNonblocking(read), setNonblocking(read), setNonblocking(read, false)], [
    false,
    true,
    true,
  ]);
  close(read);
  close(write);
});

Deno.test("FdStream.hasBytes tells of bytes and of the end, and of neither once closed", async () => {
  const [read, write] = pipe();
  using reader = new FdStream(read);
  const writer = new FdStream(write);
  assertEquals(reader.hasBytes, false);
  await writer.write(text("x"));
  assertEquals(reader.hasBytes, true);
  await reader.read(new Uint8Array(8));
  assertEquals(reader.hasBytes, false);
  writer.close();
  assertEquals(reader.hasBytes, true);
  reader.close();
  assertEquals(reader.hasBytes, false);
});

Deno.test("FdStream that gathers fills its buffer from a terminal that gives little at a time", async () => {
  const { master, slavePath } = openPty();
  using reader = new FdStream(master, { gather: true });
  using writer = new FdStream(open(slavePath, O.RDWR | O.NOCTTY));
  for (const letter of ["a", "b"]) await writer.write(text(letter.repeat(3000)));
  const buffer = new Uint8Array(7000);
  let [total, reads] = [0, 0];
  for (; total < 6000; reads++) total += await reader.read(buffer.subarray(total)) ?? 0;
  assert(reads < 3, `${reads} reads`);
});

Deno.test("FdStream that gathers does not wake for each small piece of a flow", async () => {
  const { master, slavePath } = openPty();
  using reader = new FdStream(master, { gather: true });
  const pieces = 20_000;
  const script = `i=0; while [ $i -lt ${pieces} ]; do printf .; i=$((i+1)); done`;
  const pid = spawn({ argv: ["/bin/sh", "-c", script], fds: { 1: slavePath } });
  const buffer = new Uint8Array(64 * 1024);
  let [total, reads] = [0, 0];
  for (; total < pieces; reads++) total += await reader.read(buffer) ?? 0;
  assertEquals(await reaper().exit(pid), { code: 0 });
  assert(reads < pieces / 200, `${reads} reads`);
});
