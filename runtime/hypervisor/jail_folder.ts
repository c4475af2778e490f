import { MNT_DETACH, unmountTree } from "../../common/linux/mount.ts";

/** Below a VM's state folder: a file system of its own, in which a jailed VMM has its root. */
export function jailFolder(stateDir: string): string {
  return `${stateDir}/jail`;
}

/** The device number of a jail's file system, by which processes in it are told; `undefined`: no jail. */
export function jailDevice(stateDir: string): number | undefined {
  const device = deviceOf(jailFolder(stateDir));
  return device === deviceOf(stateDir) ? undefined : device;
}

/** Whether a process has its root on that file system. */
export function isJailed(pid: number, device: number | undefined): boolean {
  return device !== undefined && deviceOf(`/proc/${pid}/root/`) === device;
}

/** Takes a jail's file system away, with what is mounted in it. Idempotent. */
export function unmountJail(stateDir: string): void {
  unmountTree(jailFolder(stateDir), MNT_DETACH);
}

function deviceOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).dev;
  } catch {
    return undefined; // not there, or a process that has just ended
  }
}
