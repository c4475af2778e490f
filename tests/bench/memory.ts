/** How much memory an idle container costs the host. */
import {
  type Bench,
  type BenchContext,
  coldContender,
  type Contender,
  interleave,
  recorder,
  runtimeFlags,
} from "../support/bench.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { SHIM_PATH } from "../support/containerd.ts";
import { share } from "../support/memory_share.ts";

/** Let the starts' garbage settle before measuring. */
const IDLE_MS = 3_000;
const BYTES_PER_MIB = 1024 * 1024, BLOCK_BYTES = 512;
const TEMPLATES = "/run/vc/vm/template";

async function pids(): Promise<Set<string>> {
  const entries = await Array.fromAsync(Deno.readDir("/proc"));
  return new Set(entries.map((entry) => entry.name).filter((name) => /^\d+$/.test(name)));
}

/** Whether a process bears one of the marks: in its command line, its environment or its cgroup. */
async function bears(pid: string, marks: readonly string[]): Promise<boolean> {
  const files = ["cmdline", "environ", "cgroup"].map((name) => `/proc/${pid}/${name}`);
  const texts = await Promise.all(files.map((path) => Deno.readTextFile(path).catch(() => "")));
  return texts.some((text) => marks.some((mark) => text.includes(mark)));
}

/** What the marked processes that appeared since `before` hold, by program. */
async function shares(
  before: ReadonlySet<string>,
  marks: readonly string[],
): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  for (const pid of await pids()) {
    if (before.has(pid) || !(await bears(pid, marks))) continue;
    const found = await share(pid);
    if (found) sums.set(found.name, (sums.get(found.name) ?? 0) + found.mib);
  }
  return sums;
}

/** Whether its VMs are cloned: all of ours but {@linkcode coldContender}'s. */
function usesTemplate({ runtime, label }: Contender): boolean {
  return runtime === SHIM_PATH && label === "kata";
}

/** Pods that idle side by side: what they share is paid for once. */
const PODS = 10;

async function start(context: BenchContext, contender: Contender, id: string): Promise<void> {
  const flags = ["run", "--detach", ...runtimeFlags(contender)];
  await context.containerd.ctrOutput([...flags, BUSYBOX, id, "sleep", "1000"]);
}

async function stop({ containerd }: BenchContext, id: string): Promise<void> {
  await containerd.ctr(["task", "rm", "--force", id]);
  await containerd.ctr(["container", "rm", id]);
}

/** MiB that templates take, mapped or not. What VMs map of them is in their shares too, so this counts some twice. */
async function templates(): Promise<number> {
  const folders = await Array.fromAsync(Deno.readDir(TEMPLATES)).catch(() => []);
  const files = folders.filter(({ isDirectory }) => isDirectory).map(({ name }) =>
    Deno.stat(`${TEMPLATES}/${name}/memory`)
  );
  const blocks = (await Promise.all(files)).map(({ blocks }) => blocks ?? 0);
  return blocks.reduce((a, b) => a + b, 0) * BLOCK_BYTES / BYTES_PER_MIB;
}

/** What `count` idle pods hold, for each pod, by program. */
async function measure(
  context: BenchContext,
  contender: Contender,
  name: string,
  count: number,
): Promise<Map<string, number>> {
  const before = await pids();
  const ids = Array.from({ length: count }, (_, index) => `${name}-${index}`);
  try {
    for (const id of ids) await start(context, contender, id);
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const sums = await shares(before, [name, context.containerd.directory]);
    if (usesTemplate(contender)) sums.set("template", await templates());
    return new Map([...sums].map(([program, mib]) => [program, mib / count]));
  } finally {
    await Promise.all(ids.map((id) => stop(context, id)));
  }
}

async function run(context: BenchContext): Promise<void> {
  const record = recorder(context, "memory");
  const contenders = [...context.contenders, await coldContender()];
  for (const count of [1, PODS]) {
    const what = count === 1 ? "one pod" : `each of ${count} pods`;
    await interleave({ ...context, contenders }, async (contender, round) => {
      const name = `memory-${contender.label.replaceAll(" ", "-")}-${count}-${round}`;
      const sums = await measure(context, contender, name, count);
      const all = [...sums.values()].reduce((a, b) => a + b, 0);
      record(contender, `PSS, ${what}, everything`, "MiB", all);
      for (const [program, mib] of sums) {
        record(contender, `PSS, ${what}, ${program}`, "MiB", mib);
      }
    });
  }
}

/** Proportional share of memory of all processes of one idle container, and of ten. */
export const memory: Bench = { name: "memory", what: "memory of idle containers", run };
