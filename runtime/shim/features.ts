/**
 * What the runtime can do, as the OCI runtime specification's "features" document. Source: runtime-spec features.md;
 * the containers' processes are made by crun in the guest, whose kernel has cgroup v2 alone.
 */

/** Options of mounts, besides those with values. Source: crun(1) and mount(8). */
const MOUNT_OPTIONS = [
  ..."async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand".split(" "),
  ..."noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime".split(" "),
  ..."nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime".split(" "),
  ..."remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime".split(" "),
  ..."rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime".split(" "),
  ..."rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow".split(" "),
  ..."sync tmpcopyup unbindable".split(" "),
];

const HOOKS = [
  ..."prestart createRuntime createContainer startContainer poststart poststop".split(" "),
];

/** The document, to be written as JSON. */
export function runtimeFeatures(): Record<string, unknown> {
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: "1.1.0",
    hooks: HOOKS,
    mountOptions: MOUNT_OPTIONS,
    linux: {
      namespaces: ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"],
      cgroup: { v1: false, v2: true, systemd: false, systemdUser: false, rdma: false },
      seccomp: { enabled: true },
      apparmor: { enabled: false },
      selinux: { enabled: false },
      intelRdt: { enabled: false },
      mountExtensions: { idmap: { enabled: false } },
    },
  };
}
