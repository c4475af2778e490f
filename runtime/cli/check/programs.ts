import { sharedFsOf } from "../../config/shared_fs.ts";
import type { RuntimeConfig } from "../../config/load.ts";
import { shippedProgram, VIRTIOFSD } from "../../config/resolve.ts";
import { type Finding, type Lack, lacking, pass } from "./finding.ts";
import type { Host } from "./host.ts";

/** A program that may be wanted, and how it says its version. */
interface ProgramCheck extends Lack {
  readonly name: string;
  readonly path: string;
  /** Further places where it may be. */
  readonly places?: readonly string[];
  readonly args: readonly string[];
}

async function program(
  host: Host,
  { name, path, places = [], args, ...lack }: ProgramCheck,
): Promise<Finding> {
  const place = [path, ...places].map((each) => host.find(each)).find((each) => each !== undefined);
  if (place === undefined) return lacking(name, `no "${path}"`, lack);
  const version = await host.version(place, args);
  return version === undefined
    ? lacking(name, `"${place}" does not run`, lack)
    : pass(name, `${place}: ${version}`);
}

/** What each VMM is found as. */
const VMMS = {
  qemu: `qemu-system-${Deno.build.arch}`,
  clh: "cloud-hypervisor",
  firecracker: "firecracker",
} as const;

const PACKAGES: Readonly<Record<string, string>> = {
  qemu: "install the package qemu-system-x86 (or qemu-system-arm)",
  clh: "download cloud-hypervisor from its releases",
  firecracker: "download firecracker from its releases",
};

async function vmm(
  host: Host,
  name: keyof typeof VMMS,
  { hypervisor }: RuntimeConfig,
): Promise<Finding> {
  const chosen = hypervisor.name === name;
  return await program(host, {
    name: `VMM ${name}${chosen ? " (configured)" : ""}`,
    path: chosen ? hypervisor.path : VMMS[name],
    args: ["--version"],
    verdict: chosen ? "fail" : "degraded",
    meaning: chosen ? "no VM can start" : `[hypervisor.${name}] cannot be used`,
    remedy: PACKAGES[name] ?? "",
  });
}

function asset(host: Host, name: string, path: string): Finding {
  if (host.exists(path)) return pass(name, path);
  return lacking(name, `no "${path}"`, {
    verdict: "fail",
    meaning: "no VM can start",
    remedy: "run kata-runtime install, or name the file in the configuration",
  });
}

function guestFiles(host: Host, { hypervisor }: RuntimeConfig): Finding[] {
  const { kernel, initrd, image } = hypervisor;
  return [
    asset(host, "guest kernel", kernel),
    image ? asset(host, "guest image", image) : asset(host, "guest initrd", initrd),
  ];
}

async function helpers(host: Host, { hypervisor }: RuntimeConfig): Promise<Finding[]> {
  const needsVirtiofsd = sharedFsOf(hypervisor) === "virtio-fs";
  return [
    await program(host, {
      name: "virtiofsd",
      path: hypervisor.virtioFsDaemon || "virtiofsd",
      places: hypervisor.virtioFsDaemon ? [] : VIRTIOFSD,
      args: ["--version"],
      verdict: needsVirtiofsd ? "fail" : "degraded",
      meaning: needsVirtiofsd ? "shared_fs cannot be had" : "files are shared by virtio-9p",
      remedy: "install virtiofsd (cargo install virtiofsd, or the package)",
    }),
    await program(host, {
      name: "vhost-device-vsock",
      path: hypervisor.vhostDeviceVsock || "vhost-device-vsock",
      places: hypervisor.vhostDeviceVsock ? [] : [shippedProgram("vhost-device-vsock")],
      args: ["--version"],
      verdict: hypervisor.transport === "hybrid-vsock" ? "fail" : "degraded",
      meaning: 'transport = "hybrid-vsock" cannot be had with QEMU; virtio-serial is used',
      remedy: "cargo install vhost-device-vsock",
    }),
  ];
}

/** VMMs, what they boot, and helper programs. */
export async function checkPrograms(host: Host, config: RuntimeConfig): Promise<Finding[]> {
  const names = Object.keys(VMMS) as (keyof typeof VMMS)[];
  return [
    ...await Promise.all(names.map((name) => vmm(host, name, config))),
    ...guestFiles(host, config),
    ...await helpers(host, config),
  ];
}

/** Engines that can drive us; none of them is needed by another. */
export async function checkEngines(host: Host): Promise<Finding[]> {
  const engines = ["containerd", "crio", "podman", "dockerd", "nerdctl"];
  const found = await Promise.all(engines.map(async (name) => {
    const place = host.find(name);
    const version = place && await host.version(place, ["--version"]);
    return version ? [pass(`engine ${name}`, `${place}: ${version}`)] : [];
  }));
  if (found.flat().length > 0) return found.flat();
  return [lacking("engine", "none is installed", {
    verdict: "degraded",
    meaning: "containers can be run by kata-runtime run alone",
    remedy: "install containerd, CRI-O, Podman or Docker",
  })];
}
