import * as f from "./mount_flags.ts";

/** What a list of mount options means to mount(2). */
export interface MountOptions {
  /** MS_* flags, without propagation. */
  readonly flags: number;
  /** Changes of propagation, each for a mount(2) of its own, in the order given. */
  readonly propagation: readonly number[];
  /** What is left for the file system, comma-separated. */
  readonly data: string;
}

/** Source: mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS". */
const SET: Readonly<Record<string, number>> = {
  bind: f.MS_BIND,
  rbind: f.MS_BIND | f.MS_REC,
  remount: f.MS_REMOUNT,
  ro: f.MS_RDONLY,
  nosuid: f.MS_NOSUID,
  nodev: f.MS_NODEV,
  noexec: f.MS_NOEXEC,
  sync: f.MS_SYNCHRONOUS,
  dirsync: f.MS_DIRSYNC,
  mand: f.MS_MANDLOCK,
  nosymfollow: f.MS_NOSYMFOLLOW,
  noatime: f.MS_NOATIME,
  nodiratime: f.MS_NODIRATIME,
  relatime: f.MS_RELATIME,
  strictatime: f.MS_STRICTATIME,
  lazytime: f.MS_LAZYTIME,
  iversion: f.MS_I_VERSION,
  silent: f.MS_SILENT,
};
const CLEAR: Readonly<Record<string, number>> = {
  rw: f.MS_RDONLY,
  suid: f.MS_NOSUID,
  dev: f.MS_NODEV,
  exec: f.MS_NOEXEC,
  async: f.MS_SYNCHRONOUS,
  nomand: f.MS_MANDLOCK,
  symfollow: f.MS_NOSYMFOLLOW,
  atime: f.MS_NOATIME,
  diratime: f.MS_NODIRATIME,
  norelatime: f.MS_RELATIME,
  nostrictatime: f.MS_STRICTATIME,
  nolazytime: f.MS_LAZYTIME,
  noiversion: f.MS_I_VERSION,
  loud: f.MS_SILENT,
  defaults: 0,
};
const PROPAGATION: Readonly<Record<string, number>> = {
  private: f.MS_PRIVATE,
  rprivate: f.MS_PRIVATE | f.MS_REC,
  slave: f.MS_SLAVE,
  rslave: f.MS_SLAVE | f.MS_REC,
  shared: f.MS_SHARED,
  rshared: f.MS_SHARED | f.MS_REC,
  unbindable: f.MS_UNBINDABLE,
  runbindable: f.MS_UNBINDABLE | f.MS_REC,
};

/**
 * Sorts mount options as fstab and OCI mounts write them; later ones win.
 * `x-` options, which are notes among tools, are dropped; unknown ones are the file system's business.
 */
export function parseMountOptions(options: readonly string[]): MountOptions {
  let flags = 0;
  const propagation: number[] = [], data: string[] = [];
  for (const option of options) {
    if (Object.hasOwn(SET, option)) flags |= SET[option] ?? 0;
    else if (Object.hasOwn(CLEAR, option)) flags &= ~(CLEAR[option] ?? 0);
    else if (Object.hasOwn(PROPAGATION, option)) propagation.push(PROPAGATION[option] ?? 0);
    else if (option !== "" && !/^x-/i.test(option)) data.push(option);
  }
  return { flags, propagation, data: data.join(",") };
}
