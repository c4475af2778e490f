/** Flags of mount(2). Source: linux/mount.h. */
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_SYNCHRONOUS = 16;
export const MS_REMOUNT = 32;
export const MS_MANDLOCK = 64;
export const MS_DIRSYNC = 128;
export const MS_NOSYMFOLLOW = 256;
export const MS_NOATIME = 1024;
export const MS_NODIRATIME = 2048;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MS_REC = 16384;
export const MS_SILENT = 32768;
export const MS_UNBINDABLE = 1 << 17;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;
export const MS_RELATIME = 1 << 21;
export const MS_I_VERSION = 1 << 23;
export const MS_STRICTATIME = 1 << 24;
export const MS_LAZYTIME = 1 << 25;

/** Flags of umount2(2). Source: linux/fs.h. */
export const MNT_FORCE = 1;
export const MNT_DETACH = 2;
export const MNT_EXPIRE = 4;
export const UMOUNT_NOFOLLOW = 8;

/** The same by short names, for who uses many. */
export const MS = {
  RDONLY: MS_RDONLY,
  NOSUID: MS_NOSUID,
  NODEV: MS_NODEV,
  NOEXEC: MS_NOEXEC,
  SYNCHRONOUS: MS_SYNCHRONOUS,
  REMOUNT: MS_REMOUNT,
  MANDLOCK: MS_MANDLOCK,
  DIRSYNC: MS_DIRSYNC,
  NOSYMFOLLOW: MS_NOSYMFOLLOW,
  NOATIME: MS_NOATIME,
  NODIRATIME: MS_NODIRATIME,
  BIND: MS_BIND,
  MOVE: MS_MOVE,
  REC: MS_REC,
  SILENT: MS_SILENT,
  UNBINDABLE: MS_UNBINDABLE,
  PRIVATE: MS_PRIVATE,
  SLAVE: MS_SLAVE,
  SHARED: MS_SHARED,
  RELATIME: MS_RELATIME,
  I_VERSION: MS_I_VERSION,
  STRICTATIME: MS_STRICTATIME,
  LAZYTIME: MS_LAZYTIME,
} as const;
export const UMOUNT = {
  FORCE: MNT_FORCE,
  DETACH: MNT_DETACH,
  EXPIRE: MNT_EXPIRE,
  NOFOLLOW: UMOUNT_NOFOLLOW,
} as const;
