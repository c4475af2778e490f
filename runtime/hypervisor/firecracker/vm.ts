import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { GuestAddress } from "../../../common/protocol/transport/address.ts";
import type { Device, GuestLocation } from "../device.ts";
import type { Vm, VmCounters, VmExit, VmTemplate } from "../hypervisor.ts";
import { notAnOrigin, refuseOld } from "../template_files.ts";
import { VmEnd } from "../vm_end.ts";
import type { RunningVmProcess } from "../vm_process.ts";
import type { VmState } from "../vm_state.ts";
import type { VmmApi } from "../vmm_api.ts";
import type { Cell } from "./cell.ts";
import { PLACEHOLDERS, Placeholders } from "./placeholders.ts";
import type { MetricsPipe } from "./metrics.ts";
import { FILES } from "./requests.ts";

/** How long a snapshot may take: all of the guest's memory is written. */
const SAVE_MS = 60_000;

/** What the driver hands over to a {@linkcode FirecrackerVm}, which owns it from then on. */
export interface FirecrackerParts {
  readonly process: RunningVmProcess;
  readonly api: VmmApi;
  readonly address: GuestAddress;
  readonly saved: VmState;
  /** Drives before the first placeholder. */
  readonly bootDrives: number;
  readonly cell: Cell;
  readonly metrics: MetricsPipe;
  readonly template: VmTemplate | undefined;
  readonly release: () => Promise<void>;
}

/** A VM in Firecracker. */
export class FirecrackerVm implements Vm {
  readonly pid: number;
  readonly address: GuestAddress;
  readonly saved: VmState;
  readonly #parts: FirecrackerParts;
  readonly #end: VmEnd;
  readonly #placeholders = new Placeholders();

  constructor(parts: FirecrackerParts) {
    this.pid = parts.process.pid;
    this.address = parts.address;
    this.saved = parts.saved;
    this.#parts = parts;
    // Its standard output is the guest's serial console.
    this.#end = new VmEnd({
      ...{ ...parts, vmm: "Firecracker", console: parts.process.output },
      explain: ({ code }) =>
        code === 0 ? "the guest powered itself off, or reset itself as after a panic" : undefined,
    });
  }

  get exited(): Promise<VmExit> {
    return this.#end.exited;
  }

  /** @throws {RuntimeError} Unimplemented: this VMM plugs disks only. ResourceExhausted. AlreadyExists. */
  async attach(device: Device): Promise<GuestLocation> {
    if (device.kind !== "disk") {
      throw new RuntimeError(
        Code.Unimplemented,
        `Cannot plug a ${device.kind} device into a running Firecracker`,
      );
    }
    const index = this.#placeholders.take(device), name = nameOf(index), { cell } = this.#parts;
    try {
      await this.#exchange(index, cell.admit(device, name));
      cell.opened(name);
    } catch (error) {
      cell.dismiss(name);
      this.#placeholders.free(index);
      throw error;
    }
    return { kind: "mmio", name: diskName(this.#parts.bootDrives + index) };
  }

  /** The guest numbers its cards itself. */
  locationOf(_id: string): undefined {
    return undefined;
  }

  async detach(id: string): Promise<void> {
    const { index } = this.#placeholders.find(id);
    await this.#exchange(index, FILES.placeholder);
    this.#parts.cell.dismiss(nameOf(index));
    this.#placeholders.free(index);
  }

  /** Naming a drive's file again has Firecracker look how large it is. */
  async resizeDisk(id: string): Promise<void> {
    const { index, disk } = this.#placeholders.find(id), name = nameOf(index);
    this.#parts.cell.grown(name);
    await this.#exchange(index, this.#parts.cell.admit(disk, name));
    this.#parts.cell.opened(name);
  }

  async pause(): Promise<void> {
    await this.#parts.api.patch("/vm", { state: "Paused" });
  }

  async resume(): Promise<void> {
    await this.#parts.api.patch("/vm", { state: "Resumed" });
  }

  counters(signal: AbortSignal): Promise<VmCounters> {
    const { api, metrics } = this.#parts;
    return metrics.read(() => api.put("/actions", { action_type: "FlushMetrics" }, { signal }));
  }

  async saveTemplate(signal: AbortSignal): Promise<void> {
    const { template, saved, api } = this.#parts;
    if (template?.role !== "origin") throw notAnOrigin(saved.id);
    refuseOld(template);
    await this.pause();
    await api.put("/snapshot/create", {
      snapshot_type: "Full",
      mem_file_path: template.memory,
      snapshot_path: template.state,
    }, { signal, timeoutMs: SAVE_MS });
  }

  /** Firecracker has no call for its own end; it keeps nothing that SIGKILL could cut short. */
  stop(): Promise<void> {
    return this.#end.stop(() => this.#parts.process.kill());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #exchange(index: number, path: string): Promise<void> {
    const id = nameOf(index);
    await this.#parts.api.patch(`/drives/${id}`, { drive_id: id, path_on_host: path });
  }
}

function nameOf(index: number): string {
  return PLACEHOLDERS[index]?.id ?? "";
}

/** The guest's name of its nth virtio disk: vda, ..., vdz, vdaa, ... Source: Linux, sd_format_disk_name(). */
export function diskName(index: number): string {
  const tail = String.fromCharCode(97 + index % 26);
  return index < 26 ? `vd${tail}` : `${diskName(Math.floor(index / 26) - 1)}${tail}`;
}
