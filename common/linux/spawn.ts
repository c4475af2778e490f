import { type FdMap, withFileActions } from "./spawn_fds.ts";
import { cString, libcFunction, symbolAddress } from "./libc.ts";
import { pointerArray } from "./pointer_array.ts";
import { SyscallError } from "./syscall_error.ts";

const sys = {
  posixSpawn: libcFunction("posix_spawn", [
    "buffer",
    "buffer",
    "buffer",
    "buffer",
    "buffer",
    "buffer",
  ]),
  posixSpawnInherit: libcFunction("posix_spawn", [
    "buffer",
    "buffer",
    "buffer",
    "buffer",
    "buffer",
    "pointer",
  ]),
  attrInit: libcFunction("posix_spawnattr_init", ["buffer"]),
  attrSetFlags: libcFunction("posix_spawnattr_setflags", ["buffer", "i32"]),
  attrSetSigdefault: libcFunction("posix_spawnattr_setsigdefault", ["buffer", "buffer"]),
  attrSetSigmask: libcFunction("posix_spawnattr_setsigmask", ["buffer", "buffer"]),
};

/** Flags of posix_spawnattr_setflags(3). Source: glibc's spawn.h. */
const SETPGROUP = 0x02, SETSIGDEF = 0x04, SETSIGMASK = 0x08, SETSID = 0x80;
/** Ample for glibc's opaque types, of 336 and 128 bytes on x86-64. */
const ATTR_BYTES = 512, SIGSET_BYTES = 128;

export interface SpawnOptions {
  /** Program and arguments; the program by absolute path, as PATH is not searched. */
  readonly argv: readonly string[];
  /** The program where `argv[0]` is another name for it; absolute too. */
  readonly program?: string;
  /** The whole environment; omitted: ours. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /**
   * Child's descriptor -> ours, or a path to open; 0, 1 and 2 are /dev/null unless named here. No other descriptor
   * reaches the child.
   */
  readonly fds?: FdMap;
  /** Leads a new session, and so a new process group; its controlling terminal is the first that `fds` names by path. */
  readonly newSession?: boolean;
  /** Leads a new process group, so that `kill(-pid)` reaches its descendants too. */
  readonly processGroup?: boolean;
}

/**
 * Starts a program; the caller must see to its end by {@linkcode Reaper.exit}.
 *
 * The child has all signals at their defaults and none blocked, whatever we ignore.
 * @returns Its process id.
 * @throws {SyscallError} With the errno of posix_spawn(3), such as ENOENT when the program does not exist.
 * @throws {TypeError} The program's path is not absolute, or a string holds a NUL.
 */
export function spawn(options: SpawnOptions): number {
  const path = options.program ?? options.argv[0];
  if (!path?.startsWith("/")) {
    throw new TypeError(`Cannot spawn ${JSON.stringify(path)}: not an absolute path`);
  }
  const attributes = spawnAttributes(options);
  const argv = pointerArray(options.argv);
  const env = options.env &&
    pointerArray(Object.entries(options.env).map(([key, value]) => `${key}=${value}`));
  const pid = new Int32Array(1), pidBytes = new Uint8Array(pid.buffer);
  const error = withFileActions(options.fds ?? {}, options.cwd, (actions) =>
    // SAFETY: `argv` and `env` keep what their pointers refer to; all buffers outlive this synchronous call.
    env
      ? sys.posixSpawn(pidBytes, cString(path), actions, attributes, argv.pointers, env.pointers)
      : sys.posixSpawnInherit(
        pidBytes,
        cString(path),
        actions,
        attributes,
        argv.pointers,
        ourEnvironment(),
      ));
  if (error !== 0) throw new SyscallError("posix_spawn", path, error);
  return pid[0] ?? -1;
}

function spawnAttributes(options: SpawnOptions): Uint8Array {
  const attributes = new Uint8Array(ATTR_BYTES);
  const flags = SETSIGDEF | SETSIGMASK |
    (options.newSession ? SETSID : options.processGroup ? SETPGROUP : 0);
  // None of these can fail with valid flags; glibc allocates nothing for attributes, so none are destroyed.
  sys.attrInit(attributes);
  sys.attrSetFlags(attributes, flags);
  sys.attrSetSigdefault(attributes, new Uint8Array(SIGSET_BYTES).fill(0xff));
  sys.attrSetSigmask(attributes, new Uint8Array(SIGSET_BYTES));
  return attributes;
}

function ourEnvironment(): Deno.PointerValue {
  const environ = new Deno.UnsafePointerView(symbolAddress("environ"));
  return environ.getPointer();
}
