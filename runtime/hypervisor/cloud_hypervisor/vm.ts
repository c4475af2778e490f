import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { GuestAddress } from "../../../common/protocol/transport/address.ts";
import type { Device, GuestLocation } from "../device.ts";
import { countersOf } from "../counters.ts";
import type { Vm, VmCounters, VmExit, VmResources, VmTemplate } from "../hypervisor.ts";
import { notAnOrigin } from "../template_files.ts";
import type { TextTail } from "../text_tail.ts";
import { VmEnd } from "../vm_end.ts";
import type { RunningVmProcess } from "../vm_process.ts";
import type { VmState } from "../vm_state.ts";
import type { VmmApi } from "../vmm_api.ts";
import type { VmmEvent } from "./event_monitor.ts";
import type { CloudHypervisorOptions } from "./options.ts";
import type { Resizer } from "./resizer.ts";
import { saveSnapshot } from "./snapshot.ts";
import { diskConfig, fsConfig, netConfig, shareId } from "./vm_config.ts";

/** What the driver hands over to a {@linkcode CloudHypervisorVm}, which owns it from then on. */
export interface CloudHypervisorParts {
  readonly process: RunningVmProcess;
  readonly api: VmmApi;
  readonly console: TextTail;
  readonly address: GuestAddress;
  readonly saved: VmState;
  readonly resizer: Resizer;
  readonly options: CloudHypervisorOptions;
  readonly template: VmTemplate | undefined;
  readonly release: () => Promise<void>;
}

/** A VM in Cloud Hypervisor. */
export class CloudHypervisorVm implements Vm {
  readonly pid: number;
  readonly address: GuestAddress;
  readonly saved: VmState;
  readonly #parts: CloudHypervisorParts;
  readonly #api: VmmApi;
  readonly #end: VmEnd;
  readonly #plugged = new Set<string>();

  constructor(parts: CloudHypervisorParts) {
    this.pid = parts.process.pid;
    this.address = parts.address;
    this.saved = parts.saved;
    this.#parts = parts;
    this.#api = parts.api;
    this.#end = new VmEnd({ ...parts, vmm: "Cloud Hypervisor" });
  }

  get exited(): Promise<VmExit> {
    return this.#end.exited;
  }

  /**
   * A share is detached by {@linkcode shareId}.
   * @throws {RuntimeError} Unimplemented: this VMM plugs no such device. AlreadyExists.
   */
  async attach(device: Device): Promise<GuestLocation> {
    const { id, path, body } = plugRequest(device, this.#parts.options);
    if (this.#plugged.has(id)) {
      throw new RuntimeError(Code.AlreadyExists, `Device ${JSON.stringify(id)} is plugged already`);
    }
    this.#plugged.add(id); // before the wait, so that nobody takes the same id
    try {
      return locationOf(await this.#api.put(path, body));
    } catch (error) {
      this.#plugged.delete(id);
      throw error;
    }
  }

  /** The guest numbers its cards itself. */
  locationOf(_id: string): undefined {
    return undefined;
  }

  async detach(id: string): Promise<void> {
    this.#checkPlugged(id);
    await this.#api.put("/vm.remove-device", { id });
    this.#plugged.delete(id);
  }

  async resizeDisk(id: string, bytes: number): Promise<void> {
    this.#checkPlugged(id);
    await this.#api.put("/vm.resize-disk", { id, desired_size: bytes });
  }

  async pause(): Promise<void> {
    await this.#api.put("/vm.pause");
  }

  async resume(): Promise<void> {
    await this.#api.put("/vm.resume");
  }

  resize(wanted: VmResources): Promise<VmResources> {
    return this.#parts.resizer.resize(wanted);
  }

  async counters(signal: AbortSignal): Promise<VmCounters> {
    return countersOf(await this.#api.get("/vm.counters", { signal }));
  }

  async saveTemplate(signal: AbortSignal): Promise<void> {
    const { template, saved } = this.#parts;
    if (template?.role !== "origin") throw notAnOrigin(saved.id);
    await this.pause();
    await saveSnapshot(this.#api, template, saved.stateDir, signal);
  }

  stop(): Promise<void> {
    return this.#end.stop(() => this.#api.put("/vmm.shutdown"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #checkPlugged(id: string): void {
    if (this.#plugged.has(id)) return;
    throw new RuntimeError(Code.NotFound, `Device ${JSON.stringify(id)} is not plugged`);
  }

  /** Takes notice of what the VMM tells about its VM. A guest that resets itself would boot again: it has failed. */
  note({ source, event }: VmmEvent): void {
    if (source === "guest" && event === "panic") this.#end.note("the guest's kernel panicked");
    if (source !== "vm") return;
    if (event === "shutdown") this.#end.note("the guest powered itself off");
    if (event === "rebooting") {
      void this.#end.fail("the guest reset itself, as after a kernel panic");
    }
  }
}

/** The call that plugs a device. @throws {RuntimeError} Unimplemented. */
function plugRequest(
  device: Device,
  options: CloudHypervisorOptions,
): { id: string; path: string; body: Record<string, unknown> } {
  switch (device.kind) {
    case "disk":
      return { id: device.id, path: "/vm.add-disk", body: diskConfig(device, options) };
    case "net":
      return { id: device.id, path: "/vm.add-net", body: netConfig(device, options) };
    case "share-virtio-fs":
      return { id: shareId(device.tag), path: "/vm.add-fs", body: fsConfig(device) };
    default:
      throw new RuntimeError(
        Code.Unimplemented,
        `Cannot plug a ${device.kind} device into a running Cloud Hypervisor`,
      );
  }
}

/** @param info PciDeviceInfo: `{"id": ..., "bdf": "0000:00:06.0"}`. @throws {RuntimeError} Internal. */
function locationOf(info: unknown): GuestLocation {
  const bdf = typeof info === "object" && info !== null && "bdf" in info ? String(info.bdf) : "";
  const match = /^[0-9a-f]{4}:00:([0-9a-f]{2})\.0$/.exec(bdf);
  if (match) return { kind: "pci", path: `${match[1]}` };
  throw new RuntimeError(
    Code.Internal,
    `Cloud Hypervisor answered with the place ${JSON.stringify(bdf.slice(0, 40))}`,
  );
}
