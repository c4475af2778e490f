/**
 * What a run leaves on the host: processes, mounts, network interfaces and namespaces, sockets, state
 * files, loop devices, cgroups. Take a {@linkcode snapshot} before, ask {@linkcode leaks} afterwards.
 *
 * Only traces that can be ours count, so that other work on the machine does not disturb the tests.
 */

/** Names of things that were there at one moment, by kind. */
export type Snapshot = ReadonlyMap<string, ReadonlySet<string>>;

/** Programs that we start, by the name of their executable. */
const PROGRAMS =
  /^(containerd-shim-kata-v2|kata-runtime|kata-agent|kata-relay|qemu-system-\w+|cloud-hypervisor|firecracker|jailer|vhost-device-vsock|virtiofsd)$/;

/** A VM of ours has its sockets or shares a folder below this one; other VMs of the host are not our business. */
const OURS = "/run/kata-containers/";

/** Folders in which our mounts and state files are. */
const STATE_FOLDERS = ["/run/kata-containers", "/run/kata-runtime", "/run/vc", "/run/kata"];

/** What belongs to the host rather than to a sandbox: the folders for all of them, and what trials found out. */
const PERMANENT =
  /^\/run\/kata-containers(\/(sandboxes|daemons|spares|spares\/lock|shared|shared\/(sandboxes|direct-volumes)|(accelerator|qemu-release)-[0-9a-f]+))?$/;

/** VM templates are the host's too, and so is who builds one after the first start. */
const TEMPLATES = "/run/vc/vm/template";
const TEMPLATE_FOLDERS = new RegExp(`^(/run/vc|/run/vc/vm|${TEMPLATES}(/.*)?)$`);
const BUILDER = /^factory build$/;

/** Mounts that containers bring about. */
const MOUNTS = /^\/(run\/(kata|vc|netns\/|containerd)|tmp\/kata-)/;

/** How long a process that was told to end may take, in ms. */
const SETTLE_MS = 5_000;
const POLL_MS = 50;

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    // A process may end, and a folder of /sys vanish, between being listed and being read.
    if (error instanceof Deno.errors.NotFound || /os error 3\b/.test(String(error))) return "";
    throw error;
  }
}

async function names(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function tree(path: string, depth: number): Promise<string[]> {
  const paths = (await names(path)).map((name) => `${path}/${name}`);
  if (depth === 0) return paths;
  const below = await Promise.all(paths.map(async (child) => {
    const info = await Deno.lstat(child).catch(() => undefined); // it may have vanished meanwhile
    return info?.isDirectory ? await tree(child, depth - 1) : [];
  }));
  return [...paths, ...below.flat()];
}

async function processName(pid: string): Promise<string | undefined> {
  const argv = (await readText(`/proc/${pid}/cmdline`)).split("\0");
  // A relay is called as the process that it stands for: what it is, its executable tells.
  const executable = await Deno.readLink(`/proc/${pid}/exe`).catch(() => ""); // it may have ended
  const isRelay = executable.endsWith("/kata-relay");
  const program = isRelay ? "kata-relay" : argv[0]?.replace(/^.*\//, "") ?? "";
  if (!PROGRAMS.test(program) || BUILDER.test(argv.slice(1, 3).join(" "))) return undefined;
  if (program.startsWith("qemu-") && !argv.some((word) => word.includes(OURS))) return undefined;
  const stat = await readText(`/proc/${pid}/stat`);
  const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]; // field 22: proc(5)
  return `${pid}@${startTime} ${argv.join(" ").trim().slice(0, 300)}`;
}

async function processes(): Promise<string[]> {
  const pids = (await names("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map(processName));
  return found.filter((name) => name !== undefined);
}

async function mounts(): Promise<string[]> {
  const lines = (await readText("/proc/self/mountinfo")).trim().split("\n");
  return lines.map((line) => line.split(" ")[4] ?? "").filter((path) =>
    MOUNTS.test(path) && path !== TEMPLATES
  );
}

async function loopDevices(): Promise<string[]> {
  const devices = (await names("/sys/block")).filter((name) => name.startsWith("loop"));
  const files = await Promise.all(devices.map(async (name) => {
    const file = (await readText(`/sys/block/${name}/loop/backing_file`)).trim();
    return file === "" ? undefined : `${name} ${file}`;
  }));
  return files.filter((name) => name !== undefined);
}

/** The folder of the engine's namespace, which runc leaves too, is no leak. */
async function cgroups(): Promise<string[]> {
  const paths = await tree("/sys/fs/cgroup", 3);
  return paths.filter((path) => /\/[^/]*kata[^/]*$/.test(path));
}

async function stateFiles(): Promise<string[]> {
  const paths = (await Promise.all(STATE_FOLDERS.map((path) => tree(path, 5)))).flat();
  return paths.filter((path) => !PERMANENT.test(path) && !TEMPLATE_FOLDERS.test(path));
}

const KINDS: Readonly<Record<string, () => Promise<string[]>>> = {
  process: processes,
  mount: mounts,
  "network interface": () => names("/sys/class/net"),
  "network namespace": () => names("/run/netns"),
  "shim socket": () => names("/run/containerd/s"),
  "state file": stateFiles,
  "loop device": loopDevices,
  cgroup: cgroups,
};

/** What is there now. */
export async function snapshot(): Promise<Snapshot> {
  const kinds = Object.entries(KINDS).map(async ([kind, list]) =>
    [kind, new Set(await list())] as const
  );
  return new Map(await Promise.all(kinds));
}

function difference(before: Snapshot, now: Snapshot): string[] {
  return [...now].flatMap(([kind, found]) =>
    [...found].filter((name) => !before.get(kind)?.has(name)).map((name) => `${kind}: ${name}`)
  );
}

/**
 * What is there that was not there before. Processes get a moment to end: foreign ones announce their
 * end to their parents only, so this looks again until nothing is left or `settleMs` has passed.
 * @returns One line for each thing, such as `mount: /run/kata-containers/...`; empty when all is clean.
 */
export async function leaks(before: Snapshot, settleMs = SETTLE_MS): Promise<string[]> {
  const deadline = Date.now() + settleMs;
  for (;;) {
    const left = difference(before, await snapshot());
    if (left.length === 0 || Date.now() > deadline) return left;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
