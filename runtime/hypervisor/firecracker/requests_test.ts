import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../../common/base/errors.ts";
import type { Device } from "../device.ts";
import type { VmSpec } from "../hypervisor.ts";
import { DEFAULT_FIRECRACKER_OPTIONS } from "./options.ts";
import { PLACEHOLDERS } from "./placeholders.ts";
import { bootRequests, driveId } from "./requests.ts";
import { diskName } from "./vm.ts";

const PLAN = {
  options: { ...DEFAULT_FIRECRACKER_OPTIONS, rxMaxRate: 8_000_000 },
  vsockPath: "/s/vsock.sock",
  placeholderPath: "/s/placeholder",
  metricsPath: "/s/metrics",
  logPath: undefined,
};

function spec(devices: Device[]): VmSpec {
  return {
    id: "x",
    stateDir: "/s",
    kernel: "/vmlinux",
    image: "/root.img",
    kernelParams: ["agent.log=debug"],
    vcpus: 2,
    maxVcpus: 2,
    memoryMiB: 256,
    maxMemoryMiB: 256,
    devices,
  };
}

Deno.test("bootRequests names image, disks and placeholders in the guest's order", () => {
  const disk = { kind: "disk", id: "a.b", path: "/d", source: "file", readonly: false } as const;
  const drives = bootRequests(spec([disk]), PLAN).filter(({ path }) => path.startsWith("/drives/"));
  assertEquals(drives.length, 2 + PLACEHOLDERS);
  assertEquals(drives.slice(0, 2).map(({ body }) => body.path_on_host), ["/root.img", "/d"]);
  assertEquals(drives[1]?.path, `/drives/${driveId("a.b")}`);
  assertEquals(drives[2]?.body.path_on_host, "/s/placeholder");
});

Deno.test("bootRequests limits what a card receives, in bytes for bits", () => {
  const net = { kind: "net", id: "net0", tap: "tap0", mac: "02:00:00:00:00:01" } as const;
  const request = bootRequests(spec([net]), PLAN).find(({ path }) => path.includes("/net0"));
  assertEquals(request?.body, {
    iface_id: "net0",
    host_dev_name: "tap0",
    guest_mac: "02:00:00:00:00:01",
    rx_rate_limiter: { bandwidth: { size: 1_000_000, refill_time: 1000 } },
  });
});

Deno.test("bootRequests limits every drive, also those that wait for a disk", () => {
  const diskLimit = {
    bandwidth: 80_000_000,
    bandwidthBurst: 8_000,
    operations: 500,
    operationsBurst: 0,
  };
  const plan = { ...PLAN, options: { ...PLAN.options, diskLimit } };
  const drives = bootRequests(spec([]), plan).filter(({ path }) => path.startsWith("/drives/"));
  for (const { body } of drives) {
    assertEquals(body.rate_limiter, {
      bandwidth: { size: 10_000_000, one_time_burst: 1_000, refill_time: 1000 },
      ops: { size: 500, refill_time: 1000 },
    });
  }
});

Deno.test("bootRequests refuses what Firecracker lacks", () => {
  const share = {
    kind: "share-9p",
    tag: "t",
    path: "/p",
    readonly: true,
    securityModel: "none",
  } as const;
  assertThrows(() => bootRequests(spec([share]), PLAN), RuntimeError, "no share-9p device");
});

Deno.test("diskName counts as Linux does", () => {
  assertEquals([0, 25, 26, 27, 701, 702].map(diskName), [
    "vda",
    "vdz",
    "vdaa",
    "vdab",
    "vdzz",
    "vdaaa",
  ]);
});
