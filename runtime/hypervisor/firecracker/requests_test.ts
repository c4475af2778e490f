import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../../common/base/errors.ts";
import type { Device } from "../device.ts";
import type { VmSpec } from "../hypervisor.ts";
import { DEFAULT_FIRECRACKER_OPTIONS } from "./options.ts";
import { NO_LIMITS } from "../rate_limiter.ts";
import { PLACEHOLDERS, Placeholders } from "./placeholders.ts";
import { bootRequests, driveId } from "./requests.ts";
import { diskName } from "./vm.ts";

const OPTIONS = { ...DEFAULT_FIRECRACKER_OPTIONS, rxMaxRate: 8_000_000 };

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
  const drives = bootRequests(spec([disk]), OPTIONS).filter(({ path }) =>
    path.startsWith("/drives/")
  );
  assertEquals(drives.length, 2 + PLACEHOLDERS.length);
  assertEquals(drives.slice(0, 2).map(({ body }) => body.path_on_host), ["/root.img", "/d"]);
  assertEquals(drives[1]?.path, `/drives/${driveId("a.b")}`);
  assertEquals(drives[2]?.body.path_on_host, "placeholder");
});

Deno.test("bootRequests limits what a card receives, in bytes for bits", () => {
  const net = { kind: "net", id: "net0", tap: "tap0", mac: "02:00:00:00:00:01" } as const;
  const request = bootRequests(spec([net]), OPTIONS).find(({ path }) => path.includes("/net0"));
  assertEquals(request?.body, {
    iface_id: "net0",
    host_dev_name: "tap0",
    guest_mac: "02:00:00:00:00:01",
    rx_rate_limiter: { bandwidth: { size: 1_000_000, refill_time: 1000 } },
  });
});

Deno.test("bootRequests limits disks, those too that come later", () => {
  const diskLimits = { ...NO_LIMITS, operationsPerSecond: 100 };
  const drives = bootRequests(spec([]), { ...OPTIONS, diskLimits })
    .filter(({ path }) => path.startsWith("/drives/"));
  const limiter = { ops: { size: 100, refill_time: 1000 } };
  assertEquals(drives.map(({ body }) => body.rate_limiter), drives.map(() => limiter));
});

Deno.test("Placeholders keeps apart what is written to and what is not", () => {
  const places = new Placeholders();
  const disk = (id: string, readonly: boolean) =>
    ({ kind: "disk", id, path: "/d", source: "file", readonly }) as const;
  const layers = PLACEHOLDERS.filter(({ readonly }) => readonly).length;
  for (let at = 0; at < layers; at++) {
    assertEquals(PLACEHOLDERS[places.take(disk(`l${at}`, true))]?.readonly, true);
  }
  assertThrows(() => places.take(disk("more", true)), RuntimeError, "another read-only disk");
  assertEquals(PLACEHOLDERS[places.take(disk("w", false))]?.readonly, false);
  assertThrows(() => places.take(disk("w", false)), RuntimeError, "plugged already");
});

Deno.test("bootRequests refuses what Firecracker lacks", () => {
  const share = {
    kind: "share-9p",
    tag: "t",
    path: "/p",
    readonly: true,
    securityModel: "none",
  } as const;
  assertThrows(() => bootRequests(spec([share]), OPTIONS), RuntimeError, "no share-9p device");
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
