import { assertEquals, assertMatch } from "@std/assert";
import { buildConfig } from "../config/load.ts";
import { CloudHypervisorDriver } from "../hypervisor/cloud_hypervisor/driver.ts";
import { FirecrackerDriver } from "../hypervisor/firecracker/driver.ts";
import type { Device } from "../hypervisor/device.ts";
import type { Hypervisor, VmSpec } from "../hypervisor/hypervisor.ts";
import { templateOf, whyNotCloned } from "./start_vm.ts";

const CONFIG = buildConfig([], { binaryDir: "/opt/kata", searchPath: "/usr/bin" });
const CARD = { kind: "net", id: "net-2", tap: "tap0", mac: "02:00:00:00:00:01" } as const;
const SHARE = { kind: "share-virtio-fs", tag: "t", socketPath: "/s", queueSize: 64 } as const;

function spec(devices: Device[]): VmSpec {
  return {
    ...{ id: "a", stateDir: "/run/a", kernel: "/k", kernelParams: [], devices },
    ...{ vcpus: 1, maxVcpus: 1, memoryMiB: 2048, maxMemoryMiB: 2048 },
  };
}

function why(hypervisor: Hypervisor, devices: Device[]): string | undefined {
  const base = { vcpus: 1, memoryMiB: 2048 };
  return whyNotCloned(CONFIG, hypervisor, { spec: spec(devices), base });
}

Deno.test("whyNotCloned lets Cloud Hypervisor plug share and card into a clone", () => {
  const clh = new CloudHypervisorDriver();
  assertEquals(why(clh, [SHARE, CARD]), undefined);
  assertMatch(why(clh, [CARD, { ...CARD, id: "net-3" }]) ?? "", /2 network cards/);
  assertEquals(templateOf(spec([SHARE, CARD]), clh.capabilities).devices, []);
});

Deno.test("whyNotCloned says what Firecracker cannot", () => {
  const firecracker = new FirecrackerDriver();
  assertEquals(why(firecracker, []), undefined);
  assertMatch(why(firecracker, [CARD]) ?? "", /cannot plug a network card into a clone/);
  assertMatch(why(firecracker, [SHARE]) ?? "", /share-virtio-fs device from the start/);
  const jailed = new FirecrackerDriver({ jailer: "/usr/bin/jailer" });
  assertMatch(why(jailed, []) ?? "", /as it is set up here cannot clone/);
});
