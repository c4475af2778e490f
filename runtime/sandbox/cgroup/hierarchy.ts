import { exists } from "../../../common/base/exists.ts";
import { O, openat2, OwnedFd, RESOLVE } from "../../../common/linux/fd.ts";
import { isErrno } from "../../../common/linux/syscall_error.ts";

/** One tree of cgroups: a host of version 1 has one for each controller, one of version 2 has one for all. */
export interface Hierarchy {
  /** Where it is mounted. */
  readonly root: string;
  readonly version: 1 | 2;
}

/** Nothing on the way down may be a link, or lead out of the hierarchy. */
const RESOLVE_DOWN = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_XDEV;
/** Without processors and memory nodes a cpuset takes no process. Source: cgroup-v1/cpusets.rst. */
const CPUSET_FILES = ["cpuset.cpus", "cpuset.mems"];

/** All hierarchies of the host. @param root Where they are mounted. */
export function hierarchies(root = "/sys/fs/cgroup"): Hierarchy[] {
  if (exists(`${root}/cgroup.controllers`)) return [{ root, version: 2 }];
  const folders = [...Deno.readDirSync(root)].filter(({ isDirectory }) => isDirectory);
  return folders.map(({ name }) => `${root}/${name}`)
    .filter((path) => exists(`${path}/cgroup.procs`))
    .map((path) => ({ root: path, version: exists(`${path}/cgroup.controllers`) ? 2 : 1 }));
}

/** The path of a folder that is held open: nobody can put another one in its place. */
export function pathOf({ fd }: OwnedFd): string {
  return `/proc/self/fd/${fd}`;
}

function open(dirfd: number, name: string): OwnedFd {
  const flags = O.PATH | O.DIRECTORY;
  return new OwnedFd(openat2(dirfd, name, { flags, resolve: RESOLVE_DOWN }));
}

function openRoot({ root }: Hierarchy): OwnedFd {
  return new OwnedFd(openat2(-100, root, { flags: O.PATH | O.DIRECTORY, resolve: 0 }));
}

/**
 * Lets those below have every controller that there is. A folder with processes of its own cannot give any, and then
 * less is counted, as before. Source: cgroup-v2.rst, "No Internal Process Constraint".
 */
function giveControllers(folder: OwnedFd): void {
  const path = pathOf(folder);
  for (const name of Deno.readTextFileSync(`${path}/cgroup.controllers`).split(/\s+/)) {
    if (name === "") continue;
    try {
      Deno.writeTextFileSync(`${path}/cgroup.subtree_control`, `+${name}`, { create: false });
    } catch (error) {
      if (!(error instanceof Error && /os error (2|16|22|95)\b/.test(error.message))) throw error; // ENOENT EBUSY EINVAL EOPNOTSUPP
    }
  }
}

function copyCpuset(from: OwnedFd, to: OwnedFd): void {
  for (const file of CPUSET_FILES) {
    const own = `${pathOf(to)}/${file}`;
    if (!exists(own) || Deno.readTextFileSync(own).trim() !== "") continue;
    const given = Deno.readTextFileSync(`${pathOf(from)}/${file}`).trim();
    Deno.writeTextFileSync(own, given, { create: false });
  }
}

function makeBelow(hierarchy: Hierarchy, parent: OwnedFd, name: string): OwnedFd {
  if (hierarchy.version === 2) giveControllers(parent);
  try {
    Deno.mkdirSync(`${pathOf(parent)}/${name}`, { mode: 0o755 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const made = open(parent.fd, name);
  if (hierarchy.version === 1) copyCpuset(parent, made);
  return made;
}

/** Times that a parent may vanish, with the last sandbox in it, while it is being gone through. */
const TRIES = 3;

/**
 * Makes a cgroup, with those on the way to it, fit to take processes. Fine where they exist.
 * @param names From the root of the hierarchy down.
 * @throws {SyscallError} ELOOP or EXDEV: something on the way is no plain folder.
 */
export function makeCgroup(hierarchy: Hierarchy, names: readonly string[], tries = TRIES): OwnedFd {
  try {
    return makeAll(hierarchy, names);
  } catch (error) {
    const vanished = isErrno(error, "ENOENT") || error instanceof Deno.errors.NotFound;
    if (!vanished || tries <= 1) throw error;
    return makeCgroup(hierarchy, names, tries - 1);
  }
}

function makeAll(hierarchy: Hierarchy, names: readonly string[]): OwnedFd {
  let folder = openRoot(hierarchy);
  for (const name of names) {
    using parent = folder;
    folder = makeBelow(hierarchy, parent, name);
  }
  return folder;
}

/** Opens a cgroup. @returns `undefined` where there is none, or none that we may see. */
export function openCgroup(hierarchy: Hierarchy, names: readonly string[]): OwnedFd | undefined {
  using root = openRoot(hierarchy);
  try {
    return open(root.fd, names.length === 0 ? "." : names.join("/"));
  } catch (error) {
    if (isErrno(error, "ENOENT", "EXDEV")) return undefined;
    throw error;
  }
}
