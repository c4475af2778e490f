import { assertEquals } from "@std/assert";
import { refreshedDiskBytes } from "./disk_size.ts";

Deno.test("refreshedDiskBytes has SCSI disks looked at, and waits for others", async () => {
  const devices = Deno.makeTempDirSync(), scsi = `${devices}/8:0`, virtio = `${devices}/254:0`;
  for (const disk of [scsi, virtio]) {
    Deno.mkdirSync(`${disk}/device`, { recursive: true });
    Deno.writeTextFileSync(`${disk}/size`, "8\n");
  }
  Deno.writeTextFileSync(`${scsi}/device/rescan`, "");
  assertEquals(await refreshedDiskBytes("8:0", 4096n, devices), 4096n);
  assertEquals(Deno.readTextFileSync(`${scsi}/device/rescan`), "1");
  const grown = refreshedDiskBytes("254:0", 8192n, devices);
  Deno.writeTextFileSync(`${virtio}/size`, "24\n");
  assertEquals(await grown, 12288n);
  Deno.removeSync(devices, { recursive: true });
});
