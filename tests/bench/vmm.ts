/** What each VMM and each transport costs, side by side: all boot the same guest, whose root file system is a disk. */
import { markedProcesses } from "../../runtime/hypervisor/clean_up.ts";
import { output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { note } from "../../tools/lib/terminal.ts";
import { type Bench, type BenchContext, interleave, recorder, since } from "../support/bench.ts";
import { share } from "../support/memory_share.ts";
import { ShimPod } from "../support/shim_pod.ts";
import { HostVolumes } from "../support/storage/host_volumes.ts";
import { TaskClient } from "../support/task_client.ts";
import { execByCalls } from "./task/exec.ts";
import { inputRate, outputRate } from "./task/streams.ts";
import { type Variant, variants } from "./vmm/variants.ts";

/** Execs of one round: the first of them warms the guest up. */
const EXECS = 4;
const SANDBOXES = "/run/kata-containers/sandboxes";
/** Programs of VMMs and their helpers; a server that stands in for one is none. */
const VMMS = /^(qemu-system-\w+|cloud-hypervisor|firecracker|vhost-device-vsock)$/;

interface Step {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** From the VMM's start until the agent answers, in milliseconds. */
async function bootMs(id: string): Promise<number> {
  const text = await output([`${DIST}/kata-runtime`, "timeline", "--json", id]);
  const steps: Step[] = JSON.parse(text);
  const find = (name: string): Step => {
    const step = steps.find((each) => each.name === name);
    if (step === undefined) throw new Error(`The timeline has no step "${name}": ${text}`);
    return step;
  };
  return find("guest boots until the agent answers").endMs - find("start VMM").startMs;
}

/** The state folder of a sandbox's VM. */
function stateDir(id: string): string {
  const names = [...Deno.readDirSync(SANDBOXES)].map(({ name }) => name);
  return `${SANDBOXES}/${names.find((name) => name.startsWith(`${id}-`))}`;
}

/** What the VMM and its helpers hold, in MiB. A stand-in's VMM is marked with a folder below the VM's. */
async function vmmShare(id: string): Promise<number> {
  const folder = stateDir(id), below = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const folders = [folder, ...below.map((name) => `${folder}/${name}`)];
  const pids = new Set(folders.flatMap(markedProcesses).map(({ pid }) => pid));
  let sum = 0;
  for (const pid of pids) {
    const exe = await Deno.readLink(`/proc/${pid}/exe`).catch(() => ""); // it may have ended
    if (VMMS.test(exe.replace(/^.*\//, ""))) sum += (await share(`${pid}`))?.mib ?? 0;
  }
  return sum;
}

async function measure(
  record: (name: string, unit: "ms" | "MB/s" | "MiB", sample: number) => void,
  variant: Variant,
  volumes: HostVolumes,
  id: string,
): Promise<void> {
  const config = [
    ...["[factory]", "enable_template = false", "[agent.kata]", "dial_timeout = 120"],
    ...[...variant.config, 'shared_fs = "none"', "default_memory = 512"],
  ];
  const rootfs = [{ type: "ext4", source: await volumes.image("ext4"), options: [] }];
  await using pod = await ShimPod.start(id, config, volumes.root, { rootfs });
  record("boot to agent", "ms", await bootMs(id));
  record("PSS of the VMM and its helpers", "MiB", await vmmShare(id));
  using client = await TaskClient.at(id, pod.address);
  for (let at = 0; at < EXECS; at++) {
    const started = performance.now();
    await execByCalls(client, `exec${at}`);
    if (at > 0) record("exec true by calls", "ms", since(started));
  }
  record("stdout", "MB/s", await outputRate(client, false));
  record("stdin", "MB/s", await inputRate(client));
}

async function run(context: BenchContext): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kata-bench-vmm-" });
  try {
    await using volumes = await HostVolumes.make();
    const all = await variants(folder);
    for (const { label, absent } of all) if (absent) note(`${label}: ${absent}`);
    const able = all.filter(({ absent }) => absent === "");
    const contenders = able.map(({ label }) => ({ label, runtime: "" }));
    const record = recorder(context, "vmm");
    await interleave({ ...context, contenders }, async (contender, round) => {
      const at = contenders.indexOf(contender), variant = able[at];
      if (variant === undefined) return;
      const put: Parameters<typeof measure>[0] = (...sample) => record(contender, ...sample);
      await measure(put, variant, volumes, `vmm-${at}-${round}`);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Boot, memory, execs and streams of each driver and transport. */
export const vmm: Bench = { name: "vmm", what: "VMMs and transports", run };
