import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type {
  AttachDeviceRequestSchema,
  AttachDeviceResponse,
  MachineSpecSchema,
} from "../../../common/protocol/gen/kata/hypervisor_pb.ts";
import type { Device, GuestLocation } from "../device.ts";
import { GUEST_KERNEL_PARAMS } from "../guest_kernel_params.ts";
import type { VmSpec } from "../hypervisor.ts";

/**
 * The VM as the remote program is told of it.
 * @throws {RuntimeError} Unimplemented: a device that the interface does not know.
 */
export function machineSpec(
  spec: VmSpec,
  { debug }: { readonly debug: boolean },
): MessageInitShape<typeof MachineSpecSchema> {
  const { stateDir, kernel, initrd = "", image = "", vcpus, memoryMiB, devices } = spec;
  const params = GUEST_KERNEL_PARAMS.filter((word) => !debug || word !== "quiet");
  const root = image === "" ? [] : ["root=/dev/vda", "ro"];
  const pluggable = devices.map(pluggableDevice);
  return {
    ...{ stateDir, kernel, initrd, image, vcpus, memoryMib: BigInt(memoryMiB) },
    kernelParams: [...params, ...(debug ? ["loglevel=7"] : []), ...root, ...spec.kernelParams],
    disks: pluggable.flatMap((each) => each.case === "disk" ? [each.value] : []),
    nets: pluggable.flatMap((each) => each.case === "net" ? [each.value] : []),
  };
}

type PluggableDevice = Exclude<
  MessageInitShape<typeof AttachDeviceRequestSchema>["device"],
  undefined | { case: undefined }
>;

/** @throws {RuntimeError} Unimplemented. */
export function pluggableDevice(device: Device): PluggableDevice {
  switch (device.kind) {
    case "disk": {
      const { id, path, readonly } = device;
      return { case: "disk", value: { id, path, readonly } };
    }
    case "net": {
      const { id, tap, mac } = device;
      return { case: "net", value: { id, tap, mac } };
    }
    default:
      throw new RuntimeError(
        Code.Unimplemented,
        `A remote hypervisor has no ${device.kind} devices`,
      );
  }
}

/** Device numbers from the root bus down. */
const PCI_PATH = /^[0-9a-f]{2}(\/[0-9a-f]{2}){0,7}$/;
/** A block device's name in the guest. Source: Linux, DISK_NAME_LEN. */
const NAME = /^[a-z][a-z0-9]{1,30}$/;
/** From here on LUNs have another numbering in the guest. */
const MAX_LUN = 255;

/** Where the guest finds what was plugged. @throws {RuntimeError} Internal: the answer makes no sense. */
export function locationOf({ location }: AttachDeviceResponse): GuestLocation {
  switch (location.case) {
    case "pci":
      if (PCI_PATH.test(location.value)) return { kind: "pci", path: location.value };
      break;
    case "scsi": {
      const { target, lun } = location.value;
      if (target <= MAX_LUN && lun <= MAX_LUN) return { kind: "scsi", target, lun };
      break;
    }
    case "name":
      if (NAME.test(location.value)) return { kind: "mmio", name: location.value };
      break;
  }
  const shown = JSON.stringify(location.value ?? null).slice(0, 80);
  throw new RuntimeError(Code.Internal, `The remote hypervisor answered with the place ${shown}`);
}
