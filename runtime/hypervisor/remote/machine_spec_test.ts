import { create } from "@bufbuild/protobuf";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Code, RuntimeError } from "../../../common/base/errors.ts";
import { AttachDeviceResponseSchema } from "../../../common/protocol/gen/kata/hypervisor_pb.ts";
import type { VmSpec } from "../hypervisor.ts";
import { locationOf, machineSpec, pluggableDevice } from "./machine_spec.ts";

const SPEC: VmSpec = {
  ...{ id: "pod", stateDir: "/run/x", kernel: "/k", initrd: "/i", kernelParams: ["a=b"] },
  ...{ vcpus: 2, maxVcpus: 4, memoryMiB: 512, maxMemoryMiB: 1024 },
  devices: [
    { kind: "disk", id: "d", path: "/d", source: "file", readonly: true },
    { kind: "net", id: "n", tap: "tap0", mac: "02:00:00:00:00:01" },
  ],
};

function place(location: Parameters<typeof create<typeof AttachDeviceResponseSchema>>[1]) {
  return locationOf(create(AttachDeviceResponseSchema, location));
}

Deno.test("machineSpec says what the VM is, with our words of the kernel's command line", () => {
  const { kernelParams = [], ...machine } = machineSpec(SPEC, { debug: false });
  assertEquals(machine, {
    ...{ stateDir: "/run/x", kernel: "/k", initrd: "/i", image: "", vcpus: 2, memoryMib: 512n },
    disks: [{ id: "d", path: "/d", readonly: true }],
    nets: [{ id: "n", tap: "tap0", mac: "02:00:00:00:00:01" }],
  });
  assert(kernelParams.includes("panic=-1") && kernelParams.includes("quiet"));
  assertEquals(kernelParams.at(-1), "a=b");
  assert(!machineSpec(SPEC, { debug: true }).kernelParams?.includes("quiet"));
});

Deno.test("machineSpec refuses devices that the interface does not know", () => {
  const error = assertThrows(
    () => pluggableDevice({ kind: "vhost-user-vsock", socketPath: "/s" }),
    RuntimeError,
  );
  assertEquals(error.code, Code.Unimplemented);
});

Deno.test("locationOf takes places that make sense, and no others", () => {
  assertEquals(place({ location: { case: "pci", value: "10/00" } }), {
    kind: "pci",
    path: "10/00",
  });
  const scsi = { target: 0, lun: 7 };
  assertEquals(place({ location: { case: "scsi", value: scsi } }), { kind: "scsi", ...scsi });
  assertEquals(place({ location: { case: "name", value: "vdb" } }), { kind: "mmio", name: "vdb" });
  for (
    const location of [
      { case: "pci", value: "../../x" },
      { case: "scsi", value: { target: 0, lun: 256 } },
      { case: "name", value: "../sda" },
      { case: undefined },
    ] as const
  ) assertThrows(() => place({ location }), RuntimeError, "answered with the place");
});
