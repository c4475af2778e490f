import { assertEquals, assertRejects } from "@std/assert";
import { readDirectVolume } from "../storage/direct_volume.ts";
import { directVolume } from "./direct_volume.ts";
import { OciError } from "./oci/oci_error.ts";

Deno.test("direct-volume refuses what it cannot use, before anything is written", async () => {
  const refused = (args: readonly string[], why: string) =>
    assertRejects(() => directVolume(args), OciError, why);
  await refused([], "usage");
  await refused(["add", "/x"], "usage");
  await refused(["add", "x", "{}"], "usage");
  await refused(["add", "/x", "{"], "Cannot use the volume's description");
  await refused(["add", "/x", '{"volume-type":"nfs"}'], "nfs");
  await refused(["stats", "/no/such/volume"], "no direct-assigned volume");
  await refused(["stats", "/x", "1"], "usage");
  await refused(["resize", "/x"], "usage");
  await refused(["resize", "x", "4096"], "usage");
  await refused(["resize", "/x", "4096", "more"], "usage");
  for (const size of ["", "0", "-1", "1.5", "1e9", "10G", " 4096", "9007199254740992"]) {
    await refused(["resize", "/x", size], "is not a size: a positive number of bytes");
  }
  await refused(["resize", "/no/such/volume", "4096"], "no direct-assigned volume");
});

Deno.test("direct-volume add notes a volume for the next container, remove forgets it", async () => {
  const base = Deno.makeTempDirSync(), path = "/var/lib/kubelet/pods/1/volumes/x";
  const json = '{"volume-type":"block","device":"/dev/sdz","fstype":"ext4","options":["ro"]}';
  await directVolume(["add", path, json], base);
  assertEquals(readDirectVolume(path, base)?.device, "/dev/sdz");
  await directVolume(["remove", path], base);
  await directVolume(["remove", path], base);
  assertEquals(readDirectVolume(path, base), undefined);
  Deno.removeSync(base, { recursive: true });
});
