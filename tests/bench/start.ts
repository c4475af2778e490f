/** How long a container takes: whole command, first output. */
import {
  type Bench,
  type BenchContext,
  coldContender,
  interleave,
  recorder,
  runtimeFlags,
  since,
  spawnCtr,
} from "../support/bench.ts";
import { BUSYBOX } from "../support/busybox_image.ts";

/** Start to first byte and to the end of `ctr run --rm ... echo hi`. */
async function run(context: BenchContext): Promise<void> {
  const record = recorder(context, "start");
  const contenders = [...context.contenders, await coldContender()];
  await interleave({ ...context, contenders }, async (contender, round) => {
    const id = `start-${contender.label.replaceAll(" ", "-")}-${round}`;
    const started = performance.now();
    const args = ["run", "--rm", ...runtimeFlags(contender), BUSYBOX, id, "echo", "hi"];
    const child = spawnCtr(context.containerd, args);
    await child.stdin.close();
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    const firstMs = since(started);
    while (!(await reader.read()).done);
    const { code } = await child.status;
    if (code !== 0 || value === undefined) throw new Error(`${id}: status ${code}`);
    record(contender, "first output", "ms", firstMs);
    record(contender, "run echo", "ms", since(started));
  });
}

/** Times of `ctr run --rm ... echo hi`. */
export const start: Bench = { name: "start", what: "time of a container that says hi", run };
