import { close, dup } from "./fd.ts";
import { cString, libcFunction } from "./libc.ts";
import { SyscallError } from "./syscall_error.ts";
import { O } from "./fd.ts";

const sys = {
  init: libcFunction("posix_spawn_file_actions_init", ["buffer"]),
  destroy: libcFunction("posix_spawn_file_actions_destroy", ["buffer"]),
  addOpen: libcFunction("posix_spawn_file_actions_addopen", [
    "buffer",
    "i32",
    "buffer",
    "i32",
    "u32",
  ]),
  addDup2: libcFunction("posix_spawn_file_actions_adddup2", ["buffer", "i32", "i32"]),
  addClose: libcFunction("posix_spawn_file_actions_addclose", ["buffer", "i32"]),
  addCloseFrom: libcFunction("posix_spawn_file_actions_addclosefrom_np", ["buffer", "i32"]),
  addChdir: libcFunction("posix_spawn_file_actions_addchdir_np", ["buffer", "buffer"]),
};

/** Ample for glibc's posix_spawn_file_actions_t, of 80 bytes on x86-64. */
const ACTIONS_BYTES = 256;
/** Highest descriptor a child may be given; every gap below it costs an action. */
const MAX_CHILD_FD = 1023;
const STDIO = [0, 1, 2];

/**
 * A child's descriptor -> ours, or the path of what the child opens for reading and writing: a terminal opened by the
 * leader of a new session becomes its controlling terminal.
 */
export type FdMap = Readonly<Record<number, number | string>>;

/**
 * Prepares posix_spawn(3)'s file actions for a descriptor map and working directory, and calls `use` with them.
 *
 * The map works as if all were assigned at once: sources that are also targets (`{0: 1, 1: 0}`) are first copied out
 * of the way. Everything the map does not name is closed in the child.
 */
export function withFileActions<T>(
  fds: FdMap,
  cwd: string | undefined,
  use: (actions: Uint8Array) => T,
): T {
  const wanted = new Map(Object.entries(fds).map(([child, ours]) => [childFd(child), ours]));
  const targets = new Set([...STDIO, ...wanted.keys()]);
  using copies = new DisposableStack();
  const actions = new Uint8Array(ACTIONS_BYTES);
  demand(sys.init(actions), "init");
  copies.defer(() => sys.destroy(actions));
  for (const target of targets) {
    const source = wanted.get(target);
    if (typeof source === "number") {
      const from = outOfTheWay(source, target, targets, copies);
      demand(sys.addDup2(actions, from, target), "adddup2");
    } else {
      demand(sys.addOpen(actions, target, cString(source ?? "/dev/null"), O.RDWR, 0), "addopen");
    }
  }
  closeTheRest(actions, targets);
  // glibc keeps its own copy of the path.
  if (cwd !== undefined) demand(sys.addChdir(actions, cString(cwd)), "addchdir_np");
  return use(actions);
}

function childFd(key: string): number {
  const fd = Number(key);
  if (!Number.isInteger(fd) || fd < 0 || fd > MAX_CHILD_FD) {
    throw new RangeError(`Not a child's descriptor: ${key}`);
  }
  return fd;
}

/** adddup2 clears close-on-exec even when source and target are the same. Source: POSIX.1-2024, glibc 2.29. */
function outOfTheWay(
  source: number,
  target: number,
  targets: ReadonlySet<number>,
  copies: DisposableStack,
): number {
  if (source === target || !targets.has(source)) return source;
  const copy = dup(source, MAX_CHILD_FD + 1);
  copies.defer(() => close(copy));
  return copy;
}

/** Ours are all close-on-exec, but those that our own parent left open may not be. */
function closeTheRest(actions: Uint8Array, targets: ReadonlySet<number>): void {
  const highest = Math.max(...targets);
  for (let fd = 0; fd < highest; fd++) {
    if (!targets.has(fd)) demand(sys.addClose(actions, fd), "addclose");
  }
  demand(sys.addCloseFrom(actions, highest + 1), "addclosefrom_np");
}

/** These functions return the error number itself. */
function demand(error: number, action: string): void {
  if (error !== 0) throw new SyscallError(`posix_spawn_file_actions_${action}`, "", error);
}
