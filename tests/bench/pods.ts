/** How long pods take that Kubernetes starts together. */
import { output } from "../../tools/lib/command.ts";
import { ROOT } from "../../tools/lib/paths.ts";
import { type Bench, type BenchContext, interleave, recorder } from "../support/bench.ts";

const COUNT = 10;
const TIMEOUT_MS = 15 * 60_000;

async function run(context: BenchContext): Promise<void> {
  const record = recorder(context, "pods");
  await interleave(context, async (contender) => {
    const argv = ["--http2", "run", "--quiet", "-A", "--no-check", "tests/bench/pods_at_once.ts"];
    const text = await output(
      [`${ROOT}/tools/deno`, ...argv, contender.label, `${COUNT}`],
      { cwd: ROOT, timeoutMs: TIMEOUT_MS },
    );
    const { upMs, goneMs } = JSON.parse(text);
    record(contender, `${COUNT} pods started at once`, "ms", upMs);
    record(contender, `${COUNT} pods removed at once`, "ms", goneMs);
  });
}

/** Pods without containers, through CRI and with their network. */
export const pods: Bench = { name: "pods", what: "10 pods started at once", run };
