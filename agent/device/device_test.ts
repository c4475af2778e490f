import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { deviceNumbers } from "./device_numbers.ts";
import { setHotplugTimeout, waitForDevice } from "./device_wait.ts";
import { resolveDevices } from "./resolve.ts";
import { parsePciPath, parseScsiAddress } from "./sysfs.ts";

Deno.test("deviceNumbers takes dev_t apart as the C library does", () => {
  assertEquals(deviceNumbers(Deno.statSync("/dev/null").rdev ?? 0), { major: 1, minor: 3 });
  assertEquals(deviceNumbers(0x1234567), { major: 0x345, minor: 0x1267 });
});

Deno.test("addresses of disks are read exactly, or refused", () => {
  assertEquals(parsePciPath("02/1f"), ["02", "1f"]);
  assertEquals(parseScsiAddress("0:12"), { id: 0, lun: 12 });
  for (const bad of ["", "20", "2", "02/", "02/../03", "02/03\n"]) {
    assertThrows(() => parsePciPath(bad), RuntimeError);
  }
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      return parsePciPath(text).every((slot) => /^[01][0-9a-f]$/.test(slot));
    } catch (error) {
      return error instanceof RuntimeError;
    }
  }));
  for (const bad of ["", "1", "1:2:3", "-1:2", "1:x"]) {
    assertThrows(() => parseScsiAddress(bad), RuntimeError);
  }
});

Deno.test("waitForDevice gives up in time and names the device", async () => {
  setHotplugTimeout(30);
  try {
    await assertRejects(
      () => waitForDevice("/dev/none", () => Promise.resolve(undefined)),
      RuntimeError,
      "/dev/none",
    );
  } finally {
    setHotplugTimeout(10_000);
  }
  assertEquals(await waitForDevice("x", () => Promise.resolve("/dev/x")), "/dev/x");
});

Deno.test("resolveDevices refuses a device that the specification does not have", async () => {
  const request = { id: "a", type: "blk", vmPath: "/dev/vda", containerPath: "/dev/disk" };
  await assertRejects(() => resolveDevices([request], [], []), RuntimeError, '"/dev/disk"');
});
