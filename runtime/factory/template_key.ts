import { sha256Hex } from "../../common/base/hex.ts";
import type { HypervisorConfig } from "../config/config.ts";
import type { VmSpec } from "../hypervisor/hypervisor.ts";

/** Characters of a key: it stands in paths of sockets, which are short. */
const KEY_LENGTH = 24;

/** What templates are looked up by, and what it was made of. */
export interface TemplateKey {
  readonly key: string;
  /** For people: what a template is of. */
  readonly about: string;
}

/**
 * The key of the template that can become this VM: any change of program, kernel, initrd, image, size, configuration
 * or kind of devices gives another. Files count by identity and time of change, so that no start has to read them.
 */
export async function templateKey(
  config: HypervisorConfig,
  spec: VmSpec,
  version: string,
): Promise<TemplateKey> {
  const { kernel, initrd = "", image = "", vcpus, memoryMiB } = spec;
  const files = await Promise.all([config.path, kernel, initrd, image].map(identity));
  const { kernelParams, maxVcpus, maxMemoryMiB } = spec;
  const settings = { ...config, ...FOUND_BY_PATH };
  const sizes = { vcpus, maxVcpus, memoryMiB, maxMemoryMiB };
  const devices = spec.devices.map(deviceKind);
  const all = { version, settings, files, kernelParams, sizes, devices };
  return {
    key: (await sha256Hex(JSON.stringify(all))).slice(0, KEY_LENGTH),
    about: `${vcpus} vCPU, ${memoryMiB} MiB, kernel ${kernel}, root ${initrd || image}`,
  };
}

/** Helpers of VMs that are no clones; where they are found depends on the PATH of whoever asks. */
const FOUND_BY_PATH = { virtioFsDaemon: "", vhostDeviceVsock: "" } as const;

/** What identifies a file's content without reading it; a missing one is a value too. */
async function identity(path: string): Promise<unknown> {
  if (path === "") return null;
  try {
    const { dev, ino, size, mtime } = await Deno.stat(path); // not its ctime: a hard link changes that
    return [path, dev, ino, size, mtime?.getTime()];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [path];
    throw error;
  }
}

/** A clone has devices of the same kinds in the same order; what is behind them is its own. */
function deviceKind(device: VmSpec["devices"][number]): unknown {
  return device.kind === "share-9p" ? { ...device, path: "" } : device.kind;
}
