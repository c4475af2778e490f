import { assertEquals } from "@std/assert";
import type { GuestLocation } from "../../runtime/hypervisor/device.ts";
import { QemuDriver } from "../../runtime/hypervisor/qemu/driver.ts";
import { DEFAULT_QEMU_OPTIONS, type DiskOptions } from "../../runtime/hypervisor/qemu/options.ts";
import { Bench, KERNEL } from "./hypervisor/bench.ts";

const SETTINGS: Readonly<Record<string, Partial<DiskOptions>>> = {
  "virtio-blk, io_uring, a thread of their own, several queues": {
    ...{ driver: "virtio-blk", aio: "io_uring", iothread: true, queues: 2 },
    cache: { direct: true, noFlush: false },
  },
  "virtio-blk, dealt out among three threads": { driver: "virtio-blk", iothreads: 3 },
  "virtio-scsi, native": { driver: "virtio-scsi", aio: "native", iothread: true },
  "virtio-scsi, threads, sectors of 4 KiB": {
    ...{ driver: "virtio-scsi", aio: "threads", logicalSectorBytes: 4096 },
    ...{ physicalSectorBytes: 4096, cache: { direct: false, noFlush: true } },
  },
};
const DISKS = 8;

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // then the test is skipped by name
  }
}

function where(location: GuestLocation): string {
  if (location.kind === "scsi") return `scsi ${location.target}:${location.lun}`;
  return location.kind === "pci" ? `pci ${location.path}` : location.name;
}

for (const [name, disk] of Object.entries(SETTINGS)) {
  Deno.test({
    name: `QEMU takes disks by ${name}`,
    ignore: Deno.uid() !== 0 || !isFile(KERNEL),
    // The program's one reaper stays between tests.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      await using bench = await Bench.make();
      const options = { ...DEFAULT_QEMU_OPTIONS.disk, ...disk };
      const driver = new QemuDriver({ accelerator: "tcg", transport: "serial", disk: options });
      await using vm = await bench.start(driver);
      const locations: string[] = [];
      for (let n = 0; n < DISKS; n++) {
        const path = `${bench.folder}/disk${n}`, readonly = n % 2 === 1;
        await Deno.writeFile(path, new Uint8Array(1024 * 1024));
        const device = { kind: "disk", id: `disk${n}`, path, source: "file", readonly } as const;
        locations.push(where(await vm.attach(device)));
      }
      assertEquals(new Set(locations).size, DISKS);
      // Where the slots are taken, the SCSI controller has the rest.
      const onBus = locations.filter((location) => location.startsWith("pci")).length;
      assertEquals(onBus, options.driver === "virtio-blk" ? 6 : 0);
    },
  });
}
