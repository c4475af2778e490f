/** How fast files are in a container, by each way in which they come there, against runc. */
import { compileC } from "../../tools/lib/c_program.ts";
import { output } from "../../tools/lib/command.ts";
import { storageDrivers } from "../support/storage/drivers.ts";
import type { Bench, BenchContext } from "../support/bench.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { RUNC } from "../support/containerd.ts";
import type { Figure } from "../support/figures.ts";
import { type PodContainer, ShimPod } from "../support/shim_pod.ts";
import { HostVolumes } from "../support/storage/host_volumes.ts";

const MEBIBYTES = 128, SECONDS = 3, FILES = 5_000;
/** Room for the files on a file system with a journal, whatever the host's own is. */
const DISK_MIB = 1024;
const PROGRAM = "storage_bench";
const COMMAND = [`/bin/${PROGRAM}`, "/data", `${MEBIBYTES}`, `${SECONDS}`, `${FILES}`];
const UNITS: readonly Figure["unit"][] = ["ms", "MB/s", "count"];

interface Line {
  readonly unit: Figure["unit"];
  readonly value: number;
  readonly name: string;
}

function parse(stdout: string): Line[] {
  return stdout.trim().split("\n").map((line) => {
    const [unit = "", value = "", ...name] = line.split(" ");
    const known = UNITS.find((each) => each === unit);
    if (!known || name.length === 0) throw new Error(`Not a figure: ${line}`);
    return { unit: known, value: Number(value), name: name.join(" ") };
  });
}

/** A folder on a journaled file system of its own. */
async function journaledFolder(volumes: HostVolumes): Promise<string> {
  const disk = `${volumes.folder}/disk.img`, point = `${volumes.folder}/disk`;
  await output(["truncate", "-s", `${DISK_MIB}M`, disk]);
  await output(["mkfs.ext4", "-q", "-F", disk]);
  await volumes.mount("-o", "loop", disk, point);
  await Deno.mkdir(`${point}/data`);
  return `${point}/data`;
}

async function runc(
  { containerd }: BenchContext,
  volumes: HostVolumes,
  data: string,
): Promise<Line[]> {
  const mounts = [
    `type=bind,src=${data},dst=/data,options=rbind:rw`,
    `type=bind,src=${volumes.root}/bin/${PROGRAM},dst=/bin/${PROGRAM},options=bind:ro`,
  ].flatMap((mount) => ["--mount", mount]);
  const args = ["run", "--rm", "--runtime", RUNC, ...mounts, BUSYBOX, "storage-runc", ...COMMAND];
  return parse(await containerd.ctrOutput(args, { timeoutMs: 600_000 }));
}

/** Proportional memory of the pod's helper processes, VMM left out, in MiB. */
async function helperMiB(pod: ShimPod): Promise<number> {
  const helpers = [...await pod.pids()].filter(([role]) => role !== "qemu");
  const sizes = helpers.map(([, pid]) => {
    const rollup = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
    return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) / 1024;
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function kata(
  volumes: HostVolumes,
  driver: Awaited<ReturnType<typeof storageDrivers>>[number],
  data: string,
): Promise<Line[]> {
  const rootfs = driver.podRootfs ? { rootfs: await driver.podRootfs(volumes) } : {};
  await using pod = await ShimPod.start(`bench-${driver.id}`, driver.config, volumes.root, rootfs);
  const lines: Line[] = [];
  const script = COMMAND.join(" ");
  const mount = { destination: "/data", source: data, options: ["rbind", "rw"] };
  const shared: PodContainer = { mounts: [mount] };
  const onDisk: PodContainer = driver.rootfs ? { rootfs: await driver.rootfs(volumes) } : shared;
  const command = driver.rootfs ? `mkdir -p /data && ${script}` : script;
  const started = performance.now();
  const { code, stdout, stderr } = await pod.run("true", onDisk);
  if (code !== 0) throw new Error(`${driver.name}: ${stderr}`);
  lines.push({
    unit: "ms",
    value: performance.now() - started,
    name: "a container more, to its end",
  });
  const result = await pod.run(command, onDisk);
  if (result.code !== 0) throw new Error(`${driver.name}: ${result.stderr}${stdout}`);
  lines.push(...parse(result.stdout));
  lines.push({ unit: "MiB", value: await helperMiB(pod), name: "memory of helpers (PSS)" });
  return lines;
}

async function run(context: BenchContext): Promise<void> {
  const { figures, runs } = context;
  await using volumes = await HostVolumes.make(DISK_MIB);
  await compileC(`tests/support/storage/${PROGRAM}.c`, `${volumes.root}/bin/${PROGRAM}`);
  const data = await journaledFolder(volumes);
  const drivers = (await storageDrivers()).filter(({ unavailable }) => !unavailable);
  const note = (runtime: string, lines: readonly Line[]): void => {
    for (const { unit, value, name } of lines) {
      figures.record({ bench: "storage", name, runtime, unit }, value);
    }
  };
  for (let round = 0; round < runs; round++) {
    note("runc", await runc(context, volumes, data));
    for (const driver of drivers) note(driver.id, await kata(volumes, driver, data));
  }
}

/** Sequential and random access, small files, memory of helpers; a column for each driver. */
export const storage: Bench = { name: "storage", what: "files, by each way they come", run };
