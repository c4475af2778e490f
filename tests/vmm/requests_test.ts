/** Every request that the drivers can make, with every option, is one that the VMM's own description knows. */
import { assertEquals } from "@std/assert";
import { NO_REFERENCE } from "../../common/protocol/testing/reference.ts";
import { DEFAULT_CLOUD_HYPERVISOR_OPTIONS } from "../../runtime/hypervisor/cloud_hypervisor/options.ts";
import {
  diskConfig,
  fsConfig,
  netConfig,
  vmConfig,
} from "../../runtime/hypervisor/cloud_hypervisor/vm_config.ts";
import { DEFAULT_FIRECRACKER_OPTIONS } from "../../runtime/hypervisor/firecracker/options.ts";
import {
  bootRequests,
  loadRequest,
  reportRequests,
} from "../../runtime/hypervisor/firecracker/requests.ts";
import type { VmSpec } from "../../runtime/hypervisor/hypervisor.ts";
import { OpenApi } from "./openapi.ts";
import { describedHere } from "./served_vmm.ts";

const DISK = { kind: "disk", id: "d", path: "/d", source: "file", readonly: true } as const;
const NET = { kind: "net", id: "n", tap: "tap0", mac: "02:00:00:00:00:01" } as const;
const FS = { kind: "share-virtio-fs", tag: "t", socketPath: "/s", queueSize: 64 } as const;
const LIMITS = { bitsPerSecond: 8e6, burstBits: 8e6, operationsPerSecond: 9, burstOperations: 9 };
const SPEC: VmSpec = {
  ...{ id: "x", stateDir: "/s", kernel: "/k", initrd: "/i", image: "/m", kernelParams: ["a"] },
  ...{ vcpus: 2, maxVcpus: 4, memoryMiB: 256, maxMemoryMiB: 1024 },
  devices: [DISK, NET],
};

function define(
  vmm: "cloud_hypervisor" | "firecracker",
  fn: (refused: (method: string, path: string, body?: unknown) => string | undefined) => void,
): void {
  const ignore = !describedHere(vmm);
  Deno.test({
    name: `requests to ${vmm} are of its interface${ignore ? ` (${NO_REFERENCE})` : ""}`,
    ignore,
    async fn() {
      const api = await OpenApi.read(`${vmm.replace("_", "-")}-openapi.yaml`);
      fn((method, path, body) => api.check(method, path, body)?.text);
    },
  });
}

define("cloud_hypervisor", (refused) => {
  const options = {
    ...DEFAULT_CLOUD_HYPERVISOR_OPTIONS,
    ...{ debug: true, memPrealloc: true, hugepages: true, diskLimits: LIMITS, netLimits: LIMITS },
  };
  const plan = { options, vsockPath: "/s/vsock.sock", consolePath: "/proc/self/fd/4" };
  const config = vmConfig({ ...SPEC, devices: [DISK, NET, FS] }, plan);
  assertEquals(refused("PUT", "/vm.create", config), undefined);
  assertEquals(refused("PUT", "/vm.add-disk", diskConfig(DISK, options)), undefined);
  assertEquals(refused("PUT", "/vm.add-net", netConfig(NET, options)), undefined);
  assertEquals(refused("PUT", "/vm.add-fs", fsConfig(FS)), undefined);
  const others = {
    "/vm.resize": { desired_vcpus: 2 },
    "/vm.resize-disk": { id: "d", desired_size: 4096 },
    "/vm.remove-device": { id: "d" },
    "/vm.snapshot": { destination_url: "file:///s" },
    "/vm.restore": { source_url: "file:///s" },
  };
  for (const [path, body] of Object.entries(others)) {
    assertEquals(refused("PUT", path, body), undefined);
  }
  for (const call of ["boot", "pause", "resume"]) {
    assertEquals(refused("PUT", `/vm.${call}`), undefined);
  }
  for (const path of ["/vmm.ping", "/vm.counters"]) assertEquals(refused("GET", path), undefined);
  assertEquals(refused("PUT", "/vmm.shutdown"), undefined);
});

define("firecracker", (refused) => {
  const options = {
    ...DEFAULT_FIRECRACKER_OPTIONS,
    ...{ debug: true, freePageReporting: true, hugepages: true, rxMaxRate: 8e6, txMaxRate: 8e6 },
    diskLimits: LIMITS,
  };
  const requests = [
    ...reportRequests(options),
    ...bootRequests(SPEC, options),
    loadRequest("/memory", "/state"),
  ];
  for (const { path, body } of requests) assertEquals(refused("PUT", path, body), undefined, path);
  const drive = { drive_id: "placeholder0", path_on_host: "/d" };
  assertEquals(refused("PATCH", "/drives/placeholder0", drive), undefined);
  for (const state of ["Paused", "Resumed"]) {
    assertEquals(refused("PATCH", "/vm", { state }), undefined);
  }
  for (const action_type of ["InstanceStart", "FlushMetrics"]) {
    assertEquals(refused("PUT", "/actions", { action_type }), undefined);
  }
  const saved = { snapshot_type: "Full", mem_file_path: "/m", snapshot_path: "/s" };
  assertEquals(refused("PUT", "/snapshot/create", saved), undefined);
  assertEquals(refused("GET", "/version"), undefined);
});
