import { Code, RuntimeError } from "../../common/base/errors.ts";
import { checkInitrd, checkKernel, checkReadable } from "./boot_file.ts";
import type { Capabilities } from "./capabilities.ts";
import type { VmSpec } from "./hypervisor.ts";

/** Longest path of a Unix socket. Source: unix(7), sun_path less its NUL. */
const MAX_SOCKET_PATH = 107;
/** Longest name of a socket in the state folder, with its slash. */
const SOCKET_NAME = "/monitor.sock_1234567890".length;
/** Longest path of a VM's state folder. */
export const MAX_STATE_DIR = MAX_SOCKET_PATH - SOCKET_NAME;
/** Ids become arguments and file names. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
/** Longest tag of a virtio-9p share that guests before Linux 5.10 read, with its NUL. */
const TAG = /^[A-Za-z0-9_-]{1,31}$/;
const MAC = /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/;

/**
 * Refuses what cannot work before anything is started.
 * @param program The VMM, where it is started here.
 * @throws {RuntimeError} InvalidArgument, naming the key or field.
 */
export async function checkSpec(
  spec: VmSpec,
  capabilities: Capabilities,
  program?: string,
): Promise<void> {
  if (!ID.test(spec.id)) {
    throw invalid(
      `VM id ${JSON.stringify(spec.id)} is not made of letters, digits, "_", "." and "-"`,
    );
  }
  if (spec.stateDir.length > MAX_STATE_DIR) {
    throw invalid(`State folder ${spec.stateDir}: its path is too long for Unix sockets`);
  }
  checkSizes(spec, capabilities);
  checkDevices(spec, capabilities);
  if (program !== undefined) await checkReadable(program, "path");
  await checkKernel(spec.kernel);
  if (spec.initrd !== undefined) await checkInitrd(spec.initrd);
  if (spec.image !== undefined) await checkReadable(spec.image, "image");
  if (spec.netnsPath !== undefined) await checkReadable(spec.netnsPath, "Network namespace");
}

function checkSizes(spec: VmSpec, { maxVcpus }: Capabilities): void {
  if (!isCount(spec.vcpus) || spec.vcpus > maxVcpus) {
    throw invalid(`default_vcpus = ${spec.vcpus}: must be from 1 to ${maxVcpus}`);
  }
  if (!isCount(spec.memoryMiB)) {
    throw invalid(`default_memory = ${spec.memoryMiB}: must be a whole number of MiB`);
  }
}

function checkDevices(spec: VmSpec, { shareFs }: Capabilities): void {
  for (const device of spec.devices) {
    if (device.kind === "share-9p") {
      if (!shareFs.includes("virtio-9p")) {
        throw invalid(`shared_fs = "virtio-9p": this VMM does not support it`);
      }
    }
    if (device.kind === "share-virtio-fs" && !shareFs.includes("virtio-fs")) {
      throw invalid(`shared_fs = "virtio-fs": this VMM does not support it`);
    }
    if ("tag" in device && !TAG.test(device.tag)) {
      throw invalid(`Tag ${JSON.stringify(device.tag)} does not fit a share`);
    }
    if ((device.kind === "disk" || device.kind === "net") && !ID.test(device.id)) {
      throw invalid(
        `Device id ${JSON.stringify(device.id)} is not made of letters, digits, "_", "." and "-"`,
      );
    }
    if (device.kind === "net" && !MAC.test(device.mac)) {
      throw invalid(`${JSON.stringify(device.mac)} is no MAC address`);
    }
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}

function invalid(message: string): RuntimeError {
  return new RuntimeError(Code.InvalidArgument, message);
}
