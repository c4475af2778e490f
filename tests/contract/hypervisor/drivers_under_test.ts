import { CloudHypervisorDriver } from "../../../runtime/hypervisor/cloud_hypervisor/driver.ts";
import { FirecrackerDriver } from "../../../runtime/hypervisor/firecracker/driver.ts";
import type { Hypervisor } from "../../../runtime/hypervisor/hypervisor.ts";
import { QemuDriver } from "../../../runtime/hypervisor/qemu/driver.ts";
import { type ServedVmm, vmmProgram } from "../../vmm/program.ts";
import { vmmUnderTest } from "../../vmm/served_vmm.ts";

/** A driver under test; `create` may be given another program to run as the VMM. */
export interface Driver {
  readonly name: string;
  readonly program: string;
  /** Why it cannot be tried here; empty when it can. */
  readonly absent: string;
  create(program: string): Hypervisor;
  /** The VMM's threads are the guest's processors: not so behind a conforming server. */
  readonly real: boolean;
  /** A place is free again when detach returns, not only when the guest has let go. */
  readonly freesPlaces: boolean;
  /** Makes a program, in a folder, that says it is an older release than the driver speaks to. */
  oldProgram(folder: string): Promise<string>;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

const QEMU = "/usr/bin/qemu-system-x86_64";

async function oldQemu(folder: string): Promise<string> {
  const path = `${folder}/qemu`;
  const says = '[ "$1" = --version ] && echo "QEMU emulator version 4.2.1" && exit';
  await Deno.writeTextFile(path, `#!/bin/sh\n${says}\nexit 1\n`, { mode: 0o755 });
  return path;
}

/** The driver of that name, as {@linkcode driversUnderTest} has it. */
export function createDriver(name: string, path: string): Hypervisor {
  switch (name) {
    case "cloud hypervisor":
      return new CloudHypervisorDriver({ path });
    case "firecracker":
      return new FirecrackerDriver({ path });
    default:
      return new QemuDriver({ path, accelerator: "tcg", transport: "serial" });
  }
}

async function served(
  name: string,
  vmm: ServedVmm,
  folder: string,
  freesPlaces: boolean,
): Promise<Driver> {
  return {
    name,
    freesPlaces,
    ...await vmmUnderTest(vmm, folder),
    create: (path) => createDriver(name, path),
    oldProgram: (place) => vmmProgram(vmm, place, "0.1.0"),
  };
}

/** Every driver; programs that are made for it are in `folder`. */
export async function driversUnderTest(folder: string): Promise<Driver[]> {
  return [
    {
      name: "qemu q35",
      program: QEMU,
      absent: isFile(QEMU) ? "" : `no ${QEMU}`,
      create: (path) => createDriver("qemu q35", path),
      freesPlaces: true,
      real: true,
      oldProgram: oldQemu,
    },
    await served("cloud hypervisor", "cloud_hypervisor", folder, false),
    await served("firecracker", "firecracker", folder, true),
  ];
}
