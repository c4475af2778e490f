/** How long a container takes: whole command, first output. */
import {
  type Bench,
  type BenchContext,
  coldContender,
  configured,
  type Contender,
  interleave,
  recorder,
  runtimeFlags,
  since,
  spawnCtr,
} from "../support/bench.ts";
import { output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { ready } from "../support/spares.ts";
import { BUSYBOX } from "../support/busybox_image.ts";

/** Start to first byte and to the end of `ctr run --rm ... echo hi`. */
async function run(context: BenchContext): Promise<void> {
  const record = recorder(context, "start");
  const pooled = await configured("kata ready", ["[factory]", "vm_cache_number = 1"]);
  const contenders = [...context.contenders, pooled, await coldContender()];
  await using _none = await keepReady(pooled);
  await interleave({ ...context, contenders }, async (contender, round) => {
    await ready(1); // also before the others: they are not to be disturbed by its making
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

/** Has VMs made beforehand for a contender, until disposal. */
async function keepReady({ flags = [] }: Contender): Promise<AsyncDisposable> {
  const factory = [`${DIST}/kata-runtime`, "factory", "init"] as const;
  await output([...factory, "--config", flags.at(-1) ?? ""]);
  const none = await configured("", ["[factory]", "vm_cache_number = 0"]);
  return {
    [Symbol.asyncDispose]: async () =>
      void await output([...factory, "--config", none.flags?.at(-1) ?? ""]),
  };
}

/** Times of `ctr run --rm ... echo hi`. */
export const start: Bench = { name: "start", what: "time of a container that says hi", run };
