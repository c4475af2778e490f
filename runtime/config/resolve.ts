import { sharedFsOf } from "./shared_fs.ts";
import type { VmmName } from "./schema/key.ts";
import type { HypervisorValues } from "./schema/schema.ts";

/** Where programs and assets are looked for. */
export interface Surroundings {
  /** Folder of our own program: kernel, initrd and helpers lie beside it. */
  readonly binaryDir: string;
  /** Folders with programs, separated by colons, as in the environment's PATH. */
  readonly searchPath: string;
}

/** The running program's surroundings, where they are not given. */
export function surroundings(
  binaryDir?: string,
  searchPath?: string,
): Surroundings {
  return {
    binaryDir: binaryDir ?? Deno.execPath().replace(/\/[^/]*$/, ""),
    searchPath: searchPath ?? Deno.env.get("PATH") ?? "",
  };
}

/** Usual names of each VMM's program, best first. */
function programsOf(vmm: VmmName): readonly string[] {
  switch (vmm) {
    case "qemu":
      return [`qemu-system-${Deno.build.arch}`, "/usr/libexec/qemu-kvm"];
    case "clh":
      return ["cloud-hypervisor"];
    case "firecracker":
      return ["firecracker"];
    case "remote":
      return [];
  }
}

/** The hypervisor's keys that may be left empty, to be found. */
export type Assets = Pick<
  HypervisorValues,
  | "path"
  | "kernel"
  | "initrd"
  | "image"
  | "sharedFs"
  | "rootless"
  | "virtioFsDaemon"
  | "transport"
  | "vhostDeviceVsock"
>;

/**
 * Fills in what the configuration leaves empty. What cannot be found stays empty, except `path`, which stays the
 * bare name, and kernel and initrd, which are named whether or not they are there. Helpers that the configuration has
 * no use for are not looked for: a search costs a system call for each folder of PATH, on every start.
 */
export function fillAssets(vmm: VmmName, given: Assets, around: Surroundings): Assets {
  const { image } = given;
  const programs = programsOf(vmm);
  const daemon = needsVirtiofsd(vmm, given) ? VIRTIOFSD : [];
  const vsock = needsVsockDevice(vmm, given) ? ["vhost-device-vsock"] : [];
  return {
    ...given,
    initrd: given.initrd || (image ? "" : `${around.binaryDir}/initrd.img`),
    kernel: given.kernel || `${around.binaryDir}/vmlinux`,
    path: given.path || find(programs, around) || (programs[0] ?? ""),
    virtioFsDaemon: given.virtioFsDaemon || find(daemon, around),
    vhostDeviceVsock: given.vhostDeviceVsock || find(vsock, around),
  };
}

function needsVirtiofsd(name: VmmName, { sharedFs, rootless }: Assets): boolean {
  return sharedFsOf({ name, sharedFs, rootless }) === "virtio-fs";
}

function needsVsockDevice(vmm: VmmName, { transport }: Assets): boolean {
  return vmm === "qemu" && (transport === "hybrid-vsock" || transport === "auto");
}

/** Where distributions put virtiofsd. */
export const VIRTIOFSD = ["virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"];

/** First of these programs that exists: beside ours, on PATH, or at its own absolute path. */
function find(names: readonly string[], { binaryDir, searchPath }: Surroundings): string {
  const folders = [binaryDir, ...searchPath.split(":").filter((folder) => folder.startsWith("/"))];
  for (const name of names) {
    const candidates = name.startsWith("/") ? [name] : folders.map((folder) => `${folder}/${name}`);
    const found = candidates.find(isProgram);
    if (found !== undefined) return found;
  }
  return "";
}

/** A helper program that we ship: beside ours, or on PATH where our program was copied away from it. */
export function shippedProgram(name: string, around: Surroundings = surroundings()): string {
  return find([name], around) || `${around.binaryDir}/${name}`;
}

function isProgram(path: string): boolean {
  const info = statOrNothing(path);
  return info !== undefined && info.isFile && ((info.mode ?? 0) & 0o111) !== 0;
}

function statOrNothing(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined; // a folder of PATH that cannot be searched holds no program for us
  }
}
