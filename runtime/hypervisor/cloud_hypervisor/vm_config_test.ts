import { assert, assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../../common/base/errors.ts";
import type { Device } from "../device.ts";
import type { VmSpec } from "../hypervisor.ts";
import { NO_LIMITS } from "../rate_limiter.ts";
import { DEFAULT_CLOUD_HYPERVISOR_OPTIONS } from "./options.ts";
import { vmConfig } from "./vm_config.ts";

const PLAN = {
  options: DEFAULT_CLOUD_HYPERVISOR_OPTIONS,
  vsockPath: "/s/vsock.sock",
  consolePath: "/proc/self/fd/4",
};

function spec(devices: Device[]): VmSpec {
  return {
    id: "x",
    stateDir: "/s",
    kernel: "/vmlinux",
    initrd: "/initrd",
    kernelParams: ["agent.log=debug"],
    vcpus: 1,
    maxVcpus: 4,
    memoryMiB: 256,
    maxMemoryMiB: 1024,
    devices,
  };
}

Deno.test("vmConfig states sizes in bytes, and the room for growth", () => {
  const config = vmConfig(spec([]), PLAN);
  assertEquals(config.cpus, { boot_vcpus: 1, max_vcpus: 4 });
  assertEquals(config.memory, {
    size: 268435456,
    shared: false,
    hugepages: false,
    prefault: false,
    hotplug_method: "VirtioMem",
    hotplug_size: 805306368,
  });
});

Deno.test("vmConfig leaves room for memory in whole blocks, and none for less", () => {
  const memory = (maxMemoryMiB: number) =>
    vmConfig({ ...spec([]), maxMemoryMiB }, PLAN).memory as Record<string, unknown>;
  assertEquals(memory(256 + 300).hotplug_size, 268435456);
  assertEquals(memory(256 + 127).hotplug_size, undefined);
});

Deno.test("vmConfig limits disks and cards", () => {
  const limits = { ...NO_LIMITS, bitsPerSecond: 8000 };
  const options = { ...PLAN.options, diskLimits: limits, netLimits: limits };
  const disk = { kind: "disk", id: "d", path: "/d", source: "file", readonly: true } as const;
  const net = { kind: "net", id: "n", tap: "tap0", mac: "02:00:00:00:00:01" } as const;
  const config = vmConfig(spec([disk, net]), { ...PLAN, options });
  const rate_limiter_config = { bandwidth: { size: 1000, refill_time: 1000 } };
  assertEquals(config.disks, [{ id: "d", path: "/d", readonly: true, rate_limiter_config }]);
  assertEquals(config.net, [
    { id: "n", tap: "tap0", mac: "02:00:00:00:00:01", rate_limiter_config },
  ]);
});

Deno.test("vmConfig boots the kernel with ours and the caller's parameters", () => {
  const { payload } = vmConfig(spec([]), PLAN) as { payload: Record<string, string> };
  assertEquals([payload.kernel, payload.initramfs], ["/vmlinux", "/initrd"]);
  assert(payload.cmdline?.startsWith("console=ttyS0 "));
  assert(payload.cmdline?.endsWith(" agent.log=debug"));
});

Deno.test("vmConfig takes disks and cards, and refuses what Cloud Hypervisor lacks", () => {
  const disk = {
    kind: "disk",
    id: "d",
    path: "/d",
    source: "file",
    readonly: true,
    securityModel: "none",
  } as const;
  const net = { kind: "net", id: "n", tap: "tap0", mac: "02:00:00:00:00:01" } as const;
  const config = vmConfig(spec([disk, net]), PLAN);
  assertEquals(config.disks, [{ id: "d", path: "/d", readonly: true }]);
  assertEquals(config.net, [{ id: "n", tap: "tap0", mac: "02:00:00:00:00:01" }]);
  const fs = { kind: "share-virtio-fs", tag: "t", socketPath: "/s", queueSize: 64 } as const;
  const shared = vmConfig(spec([fs]), PLAN);
  assertEquals(shared.fs, [
    { id: "fs-t", tag: "t", socket: "/s", num_queues: 1, queue_size: 64 },
  ]);
  assertEquals((shared.memory as { shared: boolean }).shared, true);
  const share = {
    kind: "share-9p",
    tag: "t",
    path: "/p",
    readonly: true,
    securityModel: "none",
  } as const;
  assertThrows(() => vmConfig(spec([share]), PLAN), RuntimeError, "no share-9p device");
});
