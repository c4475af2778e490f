/** Where the time of a start goes: cold with Debian's kernel and with the tuned one, and from a template; and what the shim's own actions cost. */
import { buildGuest, type GuestOptions } from "../../guest/build/build_guest.ts";
import { monotonicMs } from "../../common/linux/clock.ts";
import type { Step } from "../../runtime/metrics/timeline.ts";
import { command, output } from "../../tools/lib/command.ts";
import { cacheDir, DIST } from "../../tools/lib/paths.ts";
import { progress } from "../../tools/lib/terminal.ts";
import { type Bench, type BenchContext, recorder, since, spawnCtr } from "../support/bench.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { SHIM_PATH } from "../support/containerd.ts";

const KERNELS = ["stock", "tuned"] as const;
type Kernel = typeof KERNELS[number];

/** The step after which the agent has answered. */
const AGENT_ANSWERED = /^(guest boots|clone goes on)/;
/** With which the VMM is begun. */
const VMM_STARTS = "start VMM";

/** Flags of `ctr run` for a guest with this kernel, or why there is none. */
async function guestFlags(kernel: Kernel): Promise<string[] | Error> {
  const out = `${cacheDir()}/bench-${kernel}`;
  const options: GuestOptions = {
    agent: `${DIST}/kata-agent`,
    out,
    cache: `${cacheDir()}/guest`,
    kernel,
  };
  try {
    const { kernel: image, initrd } = await buildGuest(options);
    const config =
      `[hypervisor.qemu]\nkernel = "${image}"\ninitrd = "${initrd}"\n[factory]\nenable_template = false\n`;
    await Deno.writeTextFile(`${out}/config.toml`, config);
    return ["--runtime-config-path", `${out}/config.toml`];
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** One start: the product's own steps, and when the first byte came, from the shim's exec on. */
async function timedStart(context: BenchContext, id: string, flags: readonly string[]): Promise<{
  steps: Step[];
  firstOutputMs: number;
}> {
  const { containerd } = context;
  const script = "echo up; exec sleep 1000";
  const run = ["run", "--rm", "--runtime", SHIM_PATH, ...flags, BUSYBOX, id, "sh", "-c", script];
  const child = spawnCtr(containerd, run);
  const reader = child.stdout.getReader();
  await reader.read();
  const firstMs = monotonicMs();
  const steps: Step[] = JSON.parse(
    await output([`${DIST}/kata-runtime`, "timeline", id, "--json"]),
  );
  await containerd.ctr(["task", "kill", "-s", "SIGKILL", id]);
  await child.stdin.close();
  while (!(await reader.read()).done);
  await child.status;
  return { steps, firstOutputMs: firstMs - Math.min(...steps.map(({ startMs }) => startMs)) };
}

/** As the bench's own contender has it. */
function templateFlags({ contenders }: BenchContext): readonly string[] {
  return contenders.find(({ label }) => label === "kata")?.flags ?? [];
}

async function startSteps(context: BenchContext, kernel: Kernel): Promise<void> {
  const flags = await guestFlags(kernel);
  if (flags instanceof Error) return progress(`${kernel} kernel: left out: ${flags.message}`);
  await recordStarts(context, `cold start, ${kernel} kernel`, `steps-${kernel}`, flags);
}

async function recordStarts(
  context: BenchContext,
  title: string,
  id: string,
  flags: readonly string[],
): Promise<void> {
  const record = recorder(context, title);
  const kata = { label: "kata", runtime: SHIM_PATH };
  for (let round = 0; round < context.runs; round++) {
    const { steps, firstOutputMs } = await timedStart(context, `${id}-${round}`, flags);
    const vmmMs = steps.find(({ name }) => name === VMM_STARTS)?.startMs ?? 0;
    const beginMs = Math.min(...steps.map(({ startMs }) => startMs));
    for (const { name, startMs, endMs } of steps) {
      record(kata, `step: ${name}`, "ms", endMs - startMs);
      if (AGENT_ANSWERED.test(name)) {
        record(kata, "shim's exec to agent's answer", "ms", endMs - beginMs);
        record(kata, "VMM's start to agent's answer", "ms", endMs - vmmMs);
      }
    }
    record(kata, "shim's exec to first output", "ms", firstOutputMs);
  }
}

/** The shim's `start` (until it has answered) and `delete` (of a task whose shim was killed before Create). */
async function shimActions(context: BenchContext): Promise<void> {
  const record = recorder(context, "shim");
  const kata = { label: "kata", runtime: SHIM_PATH };
  const bundle = await Deno.makeTempDir({ prefix: "kata-bench-" });
  const spec = { ociVersion: "1.0.2", root: { path: "rootfs" }, process: { args: ["true"] } };
  await Deno.writeTextFile(`${bundle}/config.json`, JSON.stringify(spec));
  const call = ["-namespace", "bench", "-address", `${bundle}/none`, "-id", "bench"];
  for (let round = 0; round < context.runs; round++) {
    const started = performance.now();
    await output([SHIM_PATH, ...call, "start"], { cwd: bundle });
    record(kata, "start", "ms", since(started));
    Deno.kill(Number(await Deno.readTextFile(`${bundle}/shim.pid`)), "SIGKILL");
    const deleting = performance.now();
    await command([SHIM_PATH, ...call, "-bundle", bundle, "delete"], { cwd: bundle });
    record(kata, "delete", "ms", since(deleting));
  }
  await Deno.remove(bundle, { recursive: true });
}

/** Steps of a cold start with either kernel, and the shim's own actions. */
export const steps: Bench = {
  name: "steps",
  what: "where the time of a start goes",
  run: async (context) => {
    await shimActions(context);
    await recordStarts(
      context,
      "start from the template",
      "steps-template",
      templateFlags(context),
    );
    for (const kernel of KERNELS) await startSteps(context, kernel);
  },
};
