/** What standard streams carry, without a client's own cost: the bench reads and writes the FIFOs. */
import { O, open } from "../../../common/linux/fd.ts";
import { FdStream } from "../../../common/linux/fd_stream.ts";
import { Fifo, type TaskClient } from "../../support/task_client.ts";
import { type BenchContext, type Contender, recorder, since } from "../../support/bench.ts";
import { BARE_BYTES, type BareTransport } from "../../support/bare_transport.ts";

/** runc's shim wants every output or none. */
export const NO_STDERR = "/dev/null";

const BYTES = BARE_BYTES;
const BLOCK_BYTES = 256 * 1024;
const BLOCKS = BYTES / BLOCK_BYTES;
const PRODUCE = `dd if=/dev/zero bs=${BLOCK_BYTES} count=${BLOCKS} 2>/dev/null`;

function rate(bytes: number, ms: number): number {
  return bytes / 1e6 / (ms / 1000);
}

/**
 * Opens a FIFO for reading without waiting for its writer; until there is one a read says "end". Deno.open would hold up
 * the whole bench.
 */
export function openReader(path: string): FdStream {
  return new FdStream(open(path, O.RDONLY | O.NONBLOCK));
}

/** From the first byte to the last. @param least How many must have come. */
async function take(reader: FdStream, least: number): Promise<number> {
  const buffer = new Uint8Array(BLOCK_BYTES);
  let bytes = await reader.read(buffer) ?? 0;
  const started = performance.now();
  for (let count; (count = await reader.read(buffer)) !== null;) bytes += count;
  if (bytes < least) throw new Error(`${bytes} of ${least} bytes arrived`);
  return rate(bytes, since(started));
}

/** What a process writes, to a pipe or a terminal. @returns MB/s. */
export async function outputRate(client: TaskClient, terminal: boolean): Promise<number> {
  const { task, id } = client;
  const execId = terminal ? "terminal" : "output";
  using fifo = await Fifo.make();
  const args = ["sh", "-c", PRODUCE], stderr = terminal ? "" : NO_STDERR;
  await client.exec({ execId, args, stdout: fifo.path, stderr, terminal });
  using reader = openReader(fifo.path);
  const exited = task.wait({ id, execId }, { timeoutMs: 300_000 });
  await task.start({ id, execId });
  const taken = await take(reader, BYTES);
  await exited;
  await task.delete({ id, execId });
  return taken;
}

/** From the first byte written until the process has them all; dd, because wc looks at each. @returns MB/s. */
export async function inputRate(client: TaskClient): Promise<number> {
  const { task, id } = client;
  const execId = "input";
  using input = await Fifo.make();
  using output = await Fifo.make();
  const args = [
    "sh",
    "-c",
    `echo ready; dd bs=${BLOCK_BYTES} iflag=fullblock count=${BLOCKS} of=/dev/null 2>/dev/null; echo done`,
  ];
  const fifos = { stdin: input.path, stdout: output.path, stderr: NO_STDERR };
  await client.exec({ execId, args, ...fifos });
  const exited = task.wait({ id, execId }, { timeoutMs: 300_000 });
  using reader = openReader(output.path);
  using writer = new FdStream(open(input.path, O.RDWR | O.NONBLOCK));
  await task.start({ id, execId });
  await reader.read(new Uint8Array(64));
  const started = performance.now();
  const block = new Uint8Array(BLOCK_BYTES);
  for (let sent = 0; sent < BYTES;) {
    sent += await writer.write(block.subarray(0, Math.min(block.length, BYTES - sent)));
  }
  await task.closeIO({ id, execId, stdin: true });
  writer.close();
  await reader.read(new Uint8Array(64));
  const ms = since(started);
  await exited;
  await task.delete({ id, execId });
  return rate(BYTES, ms);
}

/** One round of every direction, and of the transport alone, which is reported in a column of its own. */
export async function measureStreams(
  context: BenchContext,
  contender: Contender,
  client: TaskClient,
  bare?: BareTransport,
): Promise<void> {
  const record = recorder(context, "task");
  record(contender, "stdout", "MB/s", await outputRate(client, false));
  record(contender, "stdin", "MB/s", await inputRate(client));
  record(contender, "terminal", "MB/s", await outputRate(client, true));
  if (bare === undefined) return;
  const transport = { label: "bare transport", runtime: "" };
  record(transport, "stdout", "MB/s", rate(BYTES, await bare.receive()));
  record(transport, "stdin", "MB/s", rate(BYTES, await bare.send()));
}
