import { Code, RuntimeError } from "../../common/base/errors.ts";

/** A process of a VM, recognisable after this one has died. */
export interface VmProcess {
  /** What it does, for messages: `qemu`, `vhost-device-vsock`. */
  readonly role: string;
  readonly pid: number;
  /** Start in clock ticks since boot (field 22 of /proc/pid/stat), so that a reused pid is never taken for it. */
  readonly startTime: number;
}

/** Plain JSON from which any process can find and end what is left of a VM. */
export interface VmState {
  readonly driver: string;
  readonly id: string;
  readonly stateDir: string;
  readonly processes: readonly VmProcess[];
}

/**
 * The state to save before the VMM is spawned. Its processes are found by {@linkcode VM_MARKER}, so that a crash
 * between spawning and saving leaks nothing.
 */
export function initialVmState(driver: string, id: string, stateDir: string): VmState {
  return { driver, id, stateDir, processes: [] };
}

/** Environment variable that marks every process of a VM with its state folder. */
export const VM_MARKER = "KATA_VM_STATE_DIR";

/** Reads a saved state back. @throws {RuntimeError} DataLoss: the value is none. */
export function parseVmState(value: unknown): VmState {
  if (isRecord(value) && isText(value.driver) && isText(value.id) && isText(value.stateDir)) {
    const { driver, id, stateDir, processes } = value;
    if (Array.isArray(processes) && processes.every(isVmProcess)) {
      return { driver, id, stateDir, processes };
    }
  }
  throw new RuntimeError(Code.DataLoss, "Saved state of a VM is damaged");
}

function isVmProcess(value: unknown): value is VmProcess {
  return isRecord(value) && isText(value.role) && isCount(value.pid) && isCount(value.startTime);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}
