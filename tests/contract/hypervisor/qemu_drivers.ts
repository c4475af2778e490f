import type { Hypervisor } from "../../../runtime/hypervisor/hypervisor.ts";
import { QemuDriver } from "../../../runtime/hypervisor/qemu/driver.ts";
import type { MachineType } from "../../../runtime/hypervisor/qemu/machine.ts";
import { compileC } from "../../../tools/lib/c_program.ts";
import type { Driver } from "./drivers_under_test.ts";

export const QEMU = "/usr/bin/qemu-system-x86_64";
/** The machines of this processor. */
export const QEMU_MACHINES = ["q35", "nemu", "microvm"] as const satisfies readonly MachineType[];

/** Whether a program is there. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // then its tests are skipped by name
  }
}

/** @param name As {@linkcode qemuDrivers} has it: `qemu q35`. */
export function createQemu(name: string, path: string): Hypervisor {
  const machineType = QEMU_MACHINES.find((machine) => name.endsWith(machine)) ?? "q35";
  return new QemuDriver({ path, accelerator: "tcg", transport: "serial", machineType });
}

/** Driver and library as a host has them; without it no VM that reports free pages can be cloned. */
async function cloningQemu(folder: string, machineType: MachineType): Promise<Hypervisor> {
  const privateRam = `${folder}/kata-private-ram.so`;
  await compileC("runtime/hypervisor/qemu/private_ram.c", privateRam);
  return new QemuDriver({ accelerator: "tcg", transport: "serial", privateRam, machineType });
}

async function script(path: string, lines: string): Promise<string> {
  await Deno.writeTextFile(path, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  return path;
}

/** A program that ends at once; see Driver.endingProgram. */
export function endingScript(folder: string, name = "vmm"): Promise<string> {
  return script(`${folder}/${name}`, "echo cannot do that today >&2\nexit 3");
}

function oldQemu(folder: string): Promise<string> {
  const says = '[ "$1" = --version ] && echo "QEMU emulator version 4.2.1" && exit';
  return script(`${folder}/qemu`, `${says}\nexit 1`);
}

/** QEMU with each of its machines. */
export function qemuDrivers(): Driver[] {
  return QEMU_MACHINES.map((machine) => ({
    name: `qemu ${machine}`,
    program: QEMU,
    absent: isFile(QEMU) ? "" : `no ${QEMU}`,
    create: (path) => createQemu(`qemu ${machine}`, path),
    createCloning: (folder) => cloningQemu(folder, machine),
    real: true,
    freesPlaces: true,
    calls: [],
    changedProgram: () => Promise.reject(new TypeError("QEMU has no such faults")),
    oldProgram: oldQemu,
    endingProgram: (folder) => endingScript(folder),
    programKey: "path",
  }));
}
