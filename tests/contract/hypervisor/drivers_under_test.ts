import { CloudHypervisorDriver } from "../../../runtime/hypervisor/cloud_hypervisor/driver.ts";
import { FirecrackerDriver } from "../../../runtime/hypervisor/firecracker/driver.ts";
import type { Hypervisor } from "../../../runtime/hypervisor/hypervisor.ts";
import { jailerProgram, type ServedVmm, type VmmFault, vmmProgram } from "../../vmm/program.ts";
import { vmmUnderTest } from "../../vmm/served_vmm.ts";
import { createQemu, endingScript, isFile, qemuDrivers } from "./qemu_drivers.ts";
import { createRemote, REMOTE, remoteDrivers } from "./remote_drivers.ts";

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
  /** Makes one that ends at once with status 3, having said `cannot do that today`. */
  endingProgram(folder: string): Promise<string>;
  /** The key that names the program. */
  readonly programKey: string;
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
    case REMOTE:
      return createRemote(path);
    default:
      return createQemu(name, path);
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
    endingProgram: (place) => endingScript(place, vmm), // a jailer runs nothing of another name
    programKey: "path",
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
    ...qemuDrivers(),
    ...await remoteDrivers(folder),
    await served("cloud hypervisor", "cloud_hypervisor", folder, {
      freesPlaces: false,
      place: "api.sock",
    }),
    await served("firecracker", "firecracker", folder, { freesPlaces: true, place: "api.sock" }),
    await jailed(folder),
  ];
}
