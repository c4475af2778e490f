/** What /init does for the agent, for a guest whose PID 1 is the agent itself. */
import { mount, MS_NODEV, MS_NOEXEC, MS_NOSUID } from "../../common/linux/mount.ts";
import { isMountPoint } from "../../common/linux/mountinfo.ts";
import { run } from "../../common/linux/subprocess.ts";

const SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC;
const IP_TIMEOUT_MS = 10_000;

interface GuestMount {
  readonly type: string;
  readonly target: string;
  readonly flags: number;
  readonly data?: string;
}

/** In the order of mounting. Source: Kata's agent as init, and guest/init/init.c. */
const MOUNTS: readonly GuestMount[] = [
  { type: "proc", target: "/proc", flags: SAFE },
  { type: "sysfs", target: "/sys", flags: SAFE },
  { type: "devtmpfs", target: "/dev", flags: MS_NOSUID, data: "mode=755" },
  {
    type: "devpts",
    target: "/dev/pts",
    flags: MS_NOSUID | MS_NOEXEC,
    data: "gid=5,mode=620,ptmxmode=666",
  },
  { type: "tmpfs", target: "/dev/shm", flags: MS_NOSUID | MS_NODEV, data: "mode=1777" },
  { type: "tmpfs", target: "/run", flags: MS_NOSUID | MS_NODEV, data: "mode=755" },
  { type: "cgroup2", target: "/sys/fs/cgroup", flags: SAFE, data: "nsdelegate" },
];

/** Mounts what is missing and brings the loopback interface up. */
export async function prepareGuest(): Promise<void> {
  for (const { type, target, flags, data } of MOUNTS) {
    // Without /proc nothing can be asked, and then it is what is missing.
    const there = type === "proc" ? await exists("/proc/self") : isMountPoint(target);
    if (there) continue;
    await Deno.mkdir(target, { recursive: true });
    mount(type, target, type, flags, data);
  }
  await run(["/sbin/ip", "link", "set", "lo", "up"], { timeoutMs: IP_TIMEOUT_MS });
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
