/** Whether a shim keeps something of each process that it has served. */
import { atOnce } from "../../support/at_once.ts";
import { type BenchContext, type Contender, recorder } from "../../support/bench.ts";
import { share } from "../../support/memory_share.ts";
import { execByCalls } from "./exec.ts";
import type { Subject } from "./subject.ts";

const AT_ONCE = 10;
/** After how many processes the shim is weighed. */
const WEIGHED_AT = [10, 1000];

/** The shim's memory after few processes and after many. */
export async function measureGrowth(
  context: BenchContext,
  contender: Contender,
  { client, id }: Subject,
): Promise<void> {
  const record = recorder(context, "task");
  const { shimPid } = await client.task.connect({ id });
  let begun = 0;
  for (const count of WEIGHED_AT) {
    await atOnce(AT_ONCE, count - begun, () => execByCalls(client, `growth${begun++}`));
    const held = await share(`${shimPid}`);
    if (held === undefined) throw new Error(`The shim of ${id} is gone`);
    record(contender, `shim's PSS after ${count} execs`, "MiB", held.mib);
  }
}
