import { NO_REFERENCE, referencePath } from "../../../common/protocol/testing/reference.ts";
import { CloudHypervisorDriver } from "../../../runtime/hypervisor/cloud_hypervisor/driver.ts";
import { FirecrackerDriver } from "../../../runtime/hypervisor/firecracker/driver.ts";
import type { Hypervisor } from "../../../runtime/hypervisor/hypervisor.ts";
import { type ServedVmm, vmmProgram } from "../../vmm/program.ts";
import { createQemu, endingScript, qemuDrivers } from "./qemu_drivers.ts";
import { createRemote, REMOTE, remoteDrivers } from "./remote_drivers.ts";

/** A driver under test; `create` may be given another program to run as the VMM. */
export interface Driver {
  readonly name: string;
  readonly program: string;
  /** Why it cannot be tried here; empty when it can. */
  readonly absent: string;
  create(program: string): Hypervisor;
  /** A place is free again when detach returns, not only when the guest has let go. */
  readonly freesPlaces: boolean;
  /** Makes a program, in a folder, that says it is an older release than the driver speaks to. */
  oldProgram(folder: string): Promise<string>;
  /** Makes one that ends at once with status 3, having said `cannot do that today`. */
  endingProgram(folder: string): Promise<string>;
  /** The key that names the program. */
  readonly programKey: string;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** The VMM's own program where a variable names it; otherwise the conforming server, where its description is. */
async function programOf(
  vmm: ServedVmm,
  folder: string,
): Promise<Pick<Driver, "program" | "absent">> {
  const real = Deno.env.get(`KATA_TEST_${vmm.toUpperCase()}`);
  if (real !== undefined) return { program: real, absent: isFile(real) ? "" : `no ${real}` };
  const program = await vmmProgram(vmm, folder);
  const description = referencePath(`specs/${vmm.replace("_", "-")}-openapi.yaml`);
  return { program, absent: isFile(description) ? "" : NO_REFERENCE };
}

/** The driver of that name, as {@linkcode driversUnderTest} has it. */
export function createDriver(name: string, path: string): Hypervisor {
  switch (name) {
    case "cloud hypervisor":
      return new CloudHypervisorDriver({ path });
    case "firecracker":
      return new FirecrackerDriver({ path });
    case REMOTE:
      return createRemote(path);
    default:
      return createQemu(name, path);
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
    ...await programOf(vmm, folder),
    create: (path) => createDriver(name, path),
    oldProgram: (place) => vmmProgram(vmm, place, "0.1.0"),
    endingProgram: endingScript,
    programKey: "path",
  };
}

/** Every driver; programs that are made for it are in `folder`. */
export async function driversUnderTest(folder: string): Promise<Driver[]> {
  return [
    ...qemuDrivers(),
    ...await remoteDrivers(folder),
    await served("cloud hypervisor", "cloud_hypervisor", folder, false),
    await served("firecracker", "firecracker", folder, true),
  ];
}
