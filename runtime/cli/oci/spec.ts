import { checkCount, NO_WORDS } from "./find.ts";
import { parseFlags, wordOf } from "./flags.ts";
import type { Globals } from "./globals.ts";
import { OciError } from "./oci_error.ts";

/** The version of the runtime specification that is spoken. */
export const SPEC_VERSION = "1.0.2";

const CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const MASKED = [
  ...["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats"],
  ...["/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
];
const READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const NOTHING = ["nosuid", "noexec", "nodev"];

function mounts(): unknown[] {
  const mount = (
    destination: string,
    type: string,
    source: string,
    options: string[],
  ): unknown => ({
    destination,
    type,
    source,
    ...(options.length > 0 ? { options } : {}),
  });
  return [
    mount("/proc", "proc", "proc", []),
    mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    mount("/dev/pts", "devpts", "devpts", [
      ...["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    ]),
    mount("/dev/shm", "tmpfs", "shm", [...NOTHING, "mode=1777", "size=65536k"]),
    mount("/dev/mqueue", "mqueue", "mqueue", NOTHING),
    mount("/sys", "sysfs", "sysfs", [...NOTHING, "ro"]),
    mount("/sys/fs/cgroup", "cgroup", "cgroup", [...NOTHING, "relatime", "ro"]),
  ];
}

/** A configuration that runs a shell in `rootfs`. */
export function exampleSpec(): Record<string, unknown> {
  return {
    ociVersion: SPEC_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: {
        bounding: CAPABILITIES,
        effective: CAPABILITIES,
        permitted: CAPABILITIES,
      },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "kata",
    mounts: mounts(),
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })),
      maskedPaths: MASKED,
      readonlyPaths: READONLY,
    },
  };
}

/** `spec [--bundle DIR]`: writes an example of config.json, never over one that is there. */
export function spec(_globals: Globals, args: readonly string[]): string {
  const parsed = parseFlags({
    "bundle": { kind: "word", short: "b" },
    "rootless": { kind: "switch" },
  }, args);
  checkCount(parsed.rest, "spec", NO_WORDS);
  const path = `${wordOf(parsed, "bundle") ?? "."}/config.json`;
  try {
    const text = JSON.stringify(exampleSpec(), null, "\t");
    Deno.writeTextFileSync(path, text, { createNew: true, mode: 0o666 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new OciError("File config.json exists. Remove it first");
  }
  return "";
}
