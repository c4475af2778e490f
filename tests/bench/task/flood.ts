/** How soon calls are answered while a process writes all it can. */
import type { FdStream } from "../../../common/linux/fd_stream.ts";
import { Fifo } from "../../support/task_client.ts";
import { type BenchContext, type Contender, recorder, since } from "../../support/bench.ts";
import { NO_STDERR, openReader } from "./streams.ts";
import type { Subject } from "./subject.ts";

const SIGKILL = 9, SIGWINCH = 28;
const CALLS = 20;

/** Reads and drops what comes, until the last writer leaves. */
async function drain(reader: FdStream): Promise<void> {
  const buffer = new Uint8Array(256 * 1024);
  while (await reader.read(buffer) !== null);
}

/** State, Stats and Kill (of a signal that does nothing), each asked so often, in turn. */
export async function measureFlood(
  context: BenchContext,
  contender: Contender,
  { client, id }: Subject,
): Promise<void> {
  const record = recorder(context, "task");
  const { task } = client;
  const execId = "flood";
  using fifo = await Fifo.make();
  const args = ["cat", "/dev/zero"];
  await client.exec({ execId, args, stdout: fifo.path, stderr: NO_STDERR });
  using reader = openReader(fifo.path);
  const exited = task.wait({ id, execId });
  await task.start({ id, execId });
  const drained = drain(reader);
  const calls = {
    State: () => task.state({ id, execId }),
    Stats: () => task.stats({ id }),
    Kill: () => task.kill({ id, execId, signal: SIGWINCH }),
  };
  for (let at = 0; at < CALLS; at++) {
    for (const [name, call] of Object.entries(calls)) {
      const started = performance.now();
      await call();
      record(contender, `${name} in a flood`, "ms", since(started));
    }
  }
  await task.kill({ id, execId, signal: SIGKILL });
  await exited;
  await task.delete({ id, execId });
  await drained;
}
