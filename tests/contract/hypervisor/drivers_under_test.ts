import { CloudHypervisorDriver } from "../../../runtime/hypervisor/cloud_hypervisor/driver.ts";
import { FirecrackerDriver } from "../../../runtime/hypervisor/firecracker/driver.ts";
import type { Hypervisor } from "../../../runtime/hypervisor/hypervisor.ts";
import { QemuDriver } from "../../../runtime/hypervisor/qemu/driver.ts";
import { compileC } from "../../../tools/lib/c_program.ts";
import { jailerProgram, type ServedVmm, type VmmFault, vmmProgram } from "../../vmm/program.ts";
import { vmmUnderTest } from "../../vmm/served_vmm.ts";

/** A driver under test; `create` may be given another program to run as the VMM. */
export interface Driver {
  readonly name: string;
  readonly program: string;
  /** Why it cannot be tried here; empty when it can. */
  readonly absent: string;
  create(program: string): Hypervisor;
  /** As {@linkcode create}, set up as VMs that are cloned need it. @param folder For what that takes. */
  createCloning(folder: string): Promise<Hypervisor>;
  /** The VMM's threads are the guest's processors: not so behind a conforming server. */
  readonly real: boolean;
  /** A place is free again when detach returns, not only when the guest has let go. */
  readonly freesPlaces: boolean;
  /** What the VMM makes in its state folder before all else, where that is always called the same. */
  readonly place?: string;
  /** Calls by which a VM is made, in their order; none where they cannot be made to fail. */
  readonly calls: readonly string[];
  /** Makes a program, in a folder, with a fault. */
  changedProgram(folder: string, fault: VmmFault): Promise<string>;
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

/** Driver and library as a host has them; without it no VM that reports free pages can be cloned. */
async function cloningQemu(folder: string): Promise<Hypervisor> {
  const privateRam = `${folder}/kata-private-ram.so`;
  await compileC("runtime/hypervisor/qemu/private_ram.c", privateRam);
  return new QemuDriver({ accelerator: "tcg", transport: "serial", privateRam });
}

/** The driver of that name, as {@linkcode driversUnderTest} has it. */
export function createDriver(name: string, path: string): Hypervisor {
  switch (name) {
    case "cloud hypervisor":
      return new CloudHypervisorDriver({ path });
    case "firecracker":
      return new FirecrackerDriver({ path });
    case "firecracker in its jailer":
      return new FirecrackerDriver({ path, jailer: jailerFor(path) });
    default:
      return new QemuDriver({ path, accelerator: "tcg", transport: "serial" });
  }
}

/** The one that was made here, if any was. */
let jailer: string | undefined;

/** Otherwise every program of Firecracker's has its jailer in the same folder. */
function jailerFor(path: string): string {
  return Deno.env.get("KATA_TEST_JAILER") ?? jailer ?? path.replace(/[^/]*$/, "jailer");
}

/** What a server can be told to do amiss at. */
const CALLS: Readonly<Record<ServedVmm, readonly string[]>> = {
  cloud_hypervisor: ["/vmm.ping", "/vm.create", "/vm.boot"],
  firecracker: [
    ...["/version", "/metrics", "/machine-config", "/boot-source", "/drives/placeholder0"],
    ...["/vsock", "/entropy", "/actions"],
  ],
};

async function served(
  name: string,
  vmm: ServedVmm,
  folder: string,
  own: Pick<Driver, "freesPlaces" | "place">,
): Promise<Driver> {
  const under = await vmmUnderTest(vmm, folder);
  return {
    name,
    ...own,
    ...under,
    create: (path) => createDriver(name, path),
    createCloning: () => Promise.resolve(createDriver(name, under.program)),
    calls: under.real ? [] : CALLS[vmm],
    changedProgram: (place, fault) => vmmProgram(vmm, place, fault),
    oldProgram: (place) => vmmProgram(vmm, place, { version: "0.1.0" }),
  };
}

/** The jailer's own program where Firecracker's is given; it runs nothing else. */
async function jailed(folder: string): Promise<Driver> {
  const own = { freesPlaces: true, place: "jail" };
  const driver = await served("firecracker in its jailer", "firecracker", folder, own);
  if (!driver.real) jailer = await jailerProgram(folder);
  const program = jailerFor(driver.program);
  return driver.absent || isFile(program) ? driver : { ...driver, absent: `no ${program}` };
}

/** Every driver; programs that are made for it are in `folder`. */
export async function driversUnderTest(folder: string): Promise<Driver[]> {
  return [
    {
      name: "qemu q35",
      program: QEMU,
      absent: isFile(QEMU) ? "" : `no ${QEMU}`,
      create: (path) => createDriver("qemu q35", path),
      createCloning: cloningQemu,
      freesPlaces: true,
      real: true,
      oldProgram: oldQemu,
      calls: [],
      changedProgram: () => Promise.reject(new TypeError("QEMU has no such faults")),
    },
    await served("cloud hypervisor", "cloud_hypervisor", folder, {
      freesPlaces: false,
      place: "api.sock",
    }),
    await served("firecracker", "firecracker", folder, { freesPlaces: true, place: "api.sock" }),
    await jailed(folder),
  ];
}
