/** How long one more process takes. */
import { type BenchContext, interleave, recorder, since } from "../../support/bench.ts";
import type { TaskClient } from "../../support/task_client.ts";
import type { Subject } from "./subject.ts";

/** From Exec to Delete, without streams. */
export async function execByCalls(client: TaskClient, execId: string): Promise<void> {
  const { task, id } = client;
  await client.exec({ execId, args: ["true"] });
  const exited = task.wait({ id, execId });
  await task.start({ id, execId });
  await exited;
  await task.delete({ id, execId });
}

/** `ctr task exec` as a user waits for it, and the same by calls alone. */
export async function measureExec(
  context: BenchContext,
  subjects: ReadonlyMap<string, Subject>,
): Promise<void> {
  const record = recorder(context, "task");
  await interleave(context, async (contender, round) => {
    const subject = subjects.get(contender.label);
    if (subject === undefined) return;
    const { client, id } = subject;
    const started = performance.now();
    await context.containerd.ctrOutput(["task", "exec", "--exec-id", `ctr${round}`, id, "true"]);
    record(contender, "ctr task exec true", "ms", since(started));
    const calling = performance.now();
    await execByCalls(client, `calls${round}`);
    record(contender, "exec true by calls", "ms", since(calling));
  });
}
