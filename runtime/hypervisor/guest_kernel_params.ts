/**
 * Parameters for the guest's kernel, as data. guest/README.md says what each was
 * measured to be worth.
 * Source: Documentation/admin-guide/kernel-parameters.txt of Linux 6.1.
 */

/** For every guest, whatever runs it. */
export const GUEST_KERNEL_PARAMS: readonly string[] = [
  // Warnings and errors only: each character on an emulated serial line is an exit.
  "quiet",
  "loglevel=4",
  // A panic ends the VM at once; the VMM is started so that a reset is its end.
  "panic=-1",
  // cgroup v2 alone, as the agent mounts it.
  "cgroup_no_v1=all",
  // Containers name AppArmor profiles that the guest does not have.
  "apparmor=0",
  // Do not wait for entropy: trust RDRAND; virtio-rng adds to it.
  "random.trust_cpu=on",
  // Do not probe 256 SCSI targets at boot; the agent asks for the disks it expects, and hot-plug reports its own.
  "scsi_mod.scan=manual",
  // Mounts, namespaces and cgroups wait for RCU grace periods: have them short.
  "rcupdate.rcu_expedited=1",
  // Containers share the guest's network: no interface in it that nobody asked for.
  "dummy.numdummies=0",
];

/**
 * Only where the CPU is emulated, so that no other tenant shares hardware state
 * through speculation; they weaken the guest's own hardening.
 */
export const TCG_KERNEL_PARAMS: readonly string[] = [
  "mitigations=off",
  "init_on_alloc=0",
  // The emulated TSC is the host's: no watchdog against an emulated timer.
  "tsc=reliable",
  "no_timer_check",
  "cryptomgr.notests",
];

/**
 * Only where memory can be plugged: the kernel takes it at once, and keeps most of it movable, so that it can be taken
 * back. Source: Documentation/admin-guide/mm/memory-hotplug.rst.
 */
export const HOT_MEMORY_KERNEL_PARAMS: readonly string[] = [
  "memhp_default_state=online",
  "memory_hotplug.online_policy=auto-movable",
];

/**
 * Tells an emulated guest the host's TSC frequency, which its TSC shares. Without
 * it the guest calibrates against emulated timers: 80-250 ms later, and up to
 * 0.1 % wrong (seen: 2597.9 of 2600.0 MHz), which is 3 s an hour.
 * @param cpuinfo Text of the host's /proc/cpuinfo.
 * @returns No parameter when the host does not know its frequency exactly: "cpu MHz"
 *   is the TSC's only where the host's hypervisor told it ("tsc_known_freq").
 */
export function tscFrequencyParams(cpuinfo: string): string[] {
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(" ") ?? [];
  const megahertz = /^cpu MHz\s*:\s*(\d{1,5})\.(\d{3})$/m.exec(cpuinfo);
  const exact = flags.includes("tsc_known_freq") && flags.includes("hypervisor");
  return exact && megahertz ? [`tsc_early_khz=${Number(`${megahertz[1]}${megahertz[2]}`)}`] : [];
}
