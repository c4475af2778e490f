/** How long many containers take that are started at once. */
import { type BenchContext, interleave, recorder, since } from "../../support/bench.ts";

const CONTAINERS = 10;

/** Until the last of them has said hi and is gone. */
export async function measureTogether(context: BenchContext): Promise<void> {
  const record = recorder(context, "task");
  await interleave({ ...context, runs: 1 }, async (contender) => {
    const { runtime, label } = contender;
    const started = performance.now();
    const runs = Array.from({ length: CONTAINERS }, async (_, at) => {
      const id = `together-${label}-${at}`;
      const { code, stderr } = await context.containerd.run(id, ["echo", "hi"], { runtime });
      if (code !== 0) throw new Error(`${id}: status ${code}: ${stderr}`);
    });
    await Promise.all(runs);
    record(
      contender,
      `${CONTAINERS} containers at once, to the last one's end`,
      "ms",
      since(started),
    );
  });
}
