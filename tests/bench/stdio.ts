/** How fast bytes go through a container's standard streams. */
import {
  type Bench,
  type BenchContext,
  type Contender,
  interleave,
  recorder,
  since,
  spawnCtr,
} from "../support/bench.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { RUNC } from "../support/containerd.ts";

const MIB = 64;
const BYTES = MIB * 1024 * 1024;

function command(contender: Contender, id: string, script: string): string[] {
  return ["run", "--rm", "--runtime", contender.runtime, BUSYBOX, id, "sh", "-c", script];
}

function megabytesPerSecond(bytes: number, ms: number): number {
  return bytes / 1e6 / (ms / 1000);
}

/** From the first byte of output to the last. */
async function measureOutput(
  context: BenchContext,
  contender: Contender,
  id: string,
): Promise<number> {
  const script = `dd if=/dev/zero bs=1M count=${MIB} 2>/dev/null`;
  const child = spawnCtr(context.containerd, command(contender, id, script));
  await child.stdin.close();
  let bytes = 0;
  let started = 0;
  for await (const chunk of child.stdout) {
    if (bytes === 0) started = performance.now();
    bytes += chunk.length;
  }
  const ms = since(started);
  await child.status;
  // With runc, containerd 1.6 loses an output's last bytes now and then; that is not ours to report.
  if (bytes !== BYTES && contender.runtime !== RUNC) {
    throw new Error(`${id}: ${bytes} of ${BYTES} bytes arrived`);
  }
  return megabytesPerSecond(bytes, ms);
}

/** Reads lines of a child one by one. */
async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (
    const text of stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
  ) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}

/** From the first byte sent until the container has counted them all. */
async function measureInput(
  context: BenchContext,
  contender: Contender,
  id: string,
): Promise<number> {
  const child = spawnCtr(context.containerd, command(contender, id, "echo ready; wc -c"));
  const output = lines(child.stdout);
  await output.next();
  const started = performance.now();
  const writer = child.stdin.getWriter();
  const chunk = new Uint8Array(1024 * 1024);
  for (let sent = 0; sent < MIB; sent++) await writer.write(chunk);
  await writer.close();
  const { value } = await output.next();
  const ms = since(started);
  await child.status;
  if (Number(value) !== BYTES) throw new Error(`${id}: ${value} of ${BYTES} bytes arrived`);
  return megabytesPerSecond(BYTES, ms);
}

async function run(context: BenchContext): Promise<void> {
  const record = recorder(context, "stdio");
  await interleave(context, async (contender, round) => {
    const id = `${contender.label}-${round}`;
    record(
      contender,
      `stdout ${MIB} MiB`,
      "MB/s",
      await measureOutput(context, contender, `out-${id}`),
    );
    record(
      contender,
      `stdin ${MIB} MiB`,
      "MB/s",
      await measureInput(context, contender, `in-${id}`),
    );
  });
}

/** Throughput of standard output and input. */
export const stdio: Bench = { name: "stdio", what: "throughput of stdout and stdin", run };
