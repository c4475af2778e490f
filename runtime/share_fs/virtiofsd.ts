import { Code, RuntimeError } from "../../common/base/errors.ts";
import { run } from "../../common/linux/subprocess.ts";
import type { HypervisorConfig } from "../config/config.ts";

/** The two programs of this name: QEMU's, in C, until QEMU 7.2; and the one in Rust since. */
export type VirtiofsdKind = "c" | "rust";

/** Settings of `[hypervisor.qemu]` that the daemon gets. */
export type VirtiofsdOptions = Pick<
  HypervisorConfig,
  "virtioFsDaemon" | "virtioFsCache" | "virtioFsExtraArgs" | "virtioFsQueueSize"
>;

const VERSION_MS = 5_000;
/** Descriptor of the listening socket inside the daemon. */
export const LISTEN_FD = 3;

/**
 * Tells by its version which of the two a program is.
 * @throws {RuntimeError} FailedPrecondition: it is neither; names the key.
 */
export async function virtiofsdKind(program: string): Promise<VirtiofsdKind> {
  const { stdout, stderr } = await run([program, "--version"], { timeoutMs: VERSION_MS });
  const text = stdout + stderr;
  if (/FUSE kernel interface/.test(text)) return "c";
  if (/^virtiofsd(?: backend)? \d/m.test(text)) return "rust";
  throw new RuntimeError(
    Code.FailedPrecondition,
    `virtio_fs_daemon = "${program}": it says ${JSON.stringify(text.slice(0, 120))}, not what ` +
      "virtiofsd says of its version",
  );
}

/** Arguments that change how fast files are served, and never which: all that `virtio_fs_extra_args` may hold. */
const HARMLESS: readonly RegExp[] = [
  /^--thread-pool-size=\d+$/,
  /^--(cache|log-level)=[a-z]+$/,
  /^--rlimit-nofile=\d+$/,
  /^--inode-file-handles=(never|prefer|mandatory)$/,
  /^--(xattr|posix-acl|writeback|allow-direct-io|allow-mmap|no-readdirplus|announce-submounts)$/,
  /^--(no-killpriv-v2|killpriv-v2|preserve-noatime|syslog)$/,
];
const HARMLESS_SETTINGS =
  /^(no_)?(announce_submounts|xattr|posix_acl|writeback|flock|posix_lock|readdirplus|killpriv_v2|allow_direct_io)$|^(cache|log_level|timeout|max_idle_threads)=[a-z0-9.]+$/;

/**
 * Checks `virtio_fs_extra_args`. A list of what is allowed, since one argument more could export the host's root
 * (GHSA-rr59-xxvx-96qr).
 * @throws {RuntimeError} InvalidArgument, naming key and argument.
 */
export function checkExtraArgs(args: readonly string[]): readonly string[] {
  args.forEach((arg, at) => {
    if (arg === "-o" && at + 1 < args.length) return;
    const settings = args[at - 1] === "-o" ? arg : arg.startsWith("-o") ? arg.slice(2) : undefined;
    const fine = settings === undefined
      ? HARMLESS.some((pattern) => pattern.test(arg))
      : settings.split(",").every((setting) => HARMLESS_SETTINGS.test(setting));
    if (fine) return;
    throw new RuntimeError(
      Code.InvalidArgument,
      `virtio_fs_extra_args: ${
        JSON.stringify(arg.slice(0, 120))
      } is not among the arguments that ` +
        "change nothing about what is exported",
    );
  });
  return args;
}

/** What the daemon may need beyond the options. */
export interface VirtiofsdPlan {
  readonly kind: VirtiofsdKind;
  readonly folder: string;
  /** Most descriptors that it may open, where it cannot raise the limit itself. */
  readonly maxFiles?: number;
}

/**
 * The daemon's command line: in namespaces of its own with the folder as root, and with its system calls filtered
 * (QEMU's always is). Submounts are announced, so that files of different file systems never share a number.
 */
export function virtiofsdArguments(options: VirtiofsdOptions, plan: VirtiofsdPlan): string[] {
  const extra = checkExtraArgs(options.virtioFsExtraArgs);
  const limit = plan.maxFiles === undefined ? [] : [`--rlimit-nofile=${plan.maxFiles}`];
  const own = plan.kind === "c" ? cArguments(options, plan) : rustArguments(options, plan);
  return [options.virtioFsDaemon, `--fd=${LISTEN_FD}`, ...limit, ...own, ...extra];
}

function cArguments({ virtioFsCache }: VirtiofsdOptions, { folder }: VirtiofsdPlan): string[] {
  const cache = { never: "none", metadata: "auto", auto: "auto", always: "always" }[virtioFsCache];
  const settings = ["sandbox=namespace", `cache=${cache}`, "xattr", "announce_submounts"];
  return ["-f", "-o", `source=${folder}`, "-o", settings.join(",")];
}

function rustArguments({ virtioFsCache }: VirtiofsdOptions, { folder }: VirtiofsdPlan): string[] {
  return [
    `--shared-dir=${folder}`,
    ...["--sandbox=namespace", "--seccomp=kill", `--cache=${virtioFsCache}`],
    // By handle: otherwise each file that the guest remembers costs a descriptor.
    ...["--xattr", "--announce-submounts", "--inode-file-handles=prefer"],
  ];
}
