import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { log } from "../../../common/base/log.ts";
import type { WaitVMResponse } from "../../../common/protocol/gen/kata/hypervisor_pb.ts";
import type { GuestAddress } from "../../../common/protocol/transport/address.ts";
import { cleanUp } from "../clean_up.ts";
import type { Device, GuestLocation } from "../device.ts";
import type { Vm, VmExit } from "../hypervisor.ts";
import { cleanText } from "../text_tail.ts";
import { settlesWithin } from "../vm_process.ts";
import type { VmProcess, VmState } from "../vm_state.ts";
import { locationOf, pluggableDevice } from "./machine_spec.ts";
import type { Owner } from "./owner.ts";

/** What the driver hands over to a {@linkcode RemoteVm}, which owns it from then on. */
export interface RemoteParts {
  readonly owner: Owner;
  readonly process: VmProcess;
  readonly address: GuestAddress;
  readonly saved: VmState;
  /** Frees the rest: connection and sockets. Called once, when the VM has ended. */
  readonly release: () => Promise<void>;
}

/** How long the program may take to stop a VM, and again its VMM to die when killed. */
const STOP_MS = 3000;
/** Longest reason for an end that is passed on, in characters. */
const MAX_REASON_CHARS = 4000;

/** A VM of another program. */
export class RemoteVm implements Vm {
  readonly #parts: RemoteParts;
  readonly #plugged = new Set<string>();
  readonly #causes: string[] = [];
  #over = false;
  #stopping: Promise<void> | undefined;
  readonly exited: Promise<VmExit>;

  constructor(parts: RemoteParts) {
    this.#parts = parts;
    this.exited = this.#follow();
  }

  get pid(): number {
    return this.#parts.process.pid;
  }

  get address(): GuestAddress {
    return this.#parts.address;
  }

  get saved(): VmState {
    return this.#parts.saved;
  }

  async attach(device: Device): Promise<GuestLocation> {
    const request = { id: this.saved.id, device: pluggableDevice(device) };
    const { id = "" } = request.device.value;
    if (this.#plugged.has(id)) {
      throw new RuntimeError(Code.AlreadyExists, `Device ${JSON.stringify(id)} is plugged already`);
    }
    this.#plugged.add(id); // before the wait, so that nobody takes the same id
    try {
      return locationOf(await this.#parts.owner.machine.attachDevice(request));
    } catch (error) {
      this.#plugged.delete(id);
      throw error;
    }
  }

  /** The guest numbers its cards itself. */
  locationOf(_id: string): undefined {
    return undefined;
  }

  async detach(deviceId: string): Promise<void> {
    this.#checkPlugged(deviceId);
    await this.#parts.owner.machine.detachDevice({ id: this.saved.id, deviceId });
    this.#plugged.delete(deviceId);
  }

  async resizeDisk(deviceId: string, bytes: number): Promise<void> {
    this.#checkPlugged(deviceId);
    const { id } = this.saved;
    await this.#parts.owner.machine.resizeDisk({ id, deviceId, bytes: BigInt(bytes) });
  }

  async pause(): Promise<void> {
    await this.#parts.owner.machine.pauseVM({ id: this.saved.id });
  }

  async resume(): Promise<void> {
    await this.#parts.owner.machine.resumeVM({ id: this.saved.id });
  }

  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #checkPlugged(id: string): void {
    if (this.#plugged.has(id)) return;
    throw new RuntimeError(Code.NotFound, `Device ${JSON.stringify(id)} is not plugged`);
  }

  /** A program that does not stop its VM is not waited for: then the VMM is killed here. */
  async #stop(): Promise<void> {
    if (!this.#over) {
      this.#causes.push("it was stopped");
      const { hypervisor } = this.#parts.owner;
      hypervisor.stopVM({ id: this.saved.id }, { timeoutMs: STOP_MS }).catch(() => {}); // see below
      if (!await settlesWithin(this.exited, STOP_MS)) await cleanUp(this.saved);
    }
    if (await settlesWithin(this.exited, STOP_MS)) return;
    throw new RuntimeError(
      Code.DeadlineExceeded,
      `The VMM of the remote hypervisor (pid ${this.pid}) does not die of SIGKILL`,
    );
  }

  async #follow(): Promise<VmExit> {
    const end = await this.#end();
    this.#over = true;
    await this.#forget();
    await this.#parts.release();
    return { ...end, reason: [end.reason, ...this.#causes].join("; ") };
  }

  /** The program need not know of it any longer; one that is gone cannot be told. */
  async #forget(): Promise<void> {
    const { owner: { hypervisor } } = this.#parts;
    if (this.#stopping) return; // it is being told
    await hypervisor.stopVM({ id: this.saved.id }, { timeoutMs: STOP_MS }).catch((error) =>
      log.debug("A remote hypervisor was not told to forget a VM", { reason: messageOf(error) })
    );
  }

  async #end(): Promise<VmExit> {
    try {
      const { machine } = this.#parts.owner;
      return exitOf(await machine.waitVM({ id: this.saved.id }, { timeoutMs: undefined }));
    } catch (error) {
      await cleanUp(this.saved); // without its owner nobody has control over it
      return { reason: `the remote hypervisor lost its VM: ${messageOf(error)}` };
    }
  }
}

function exitOf({ reason, code, signal }: WaitVMResponse): VmExit {
  return {
    reason: cleanText(reason).slice(0, MAX_REASON_CHARS),
    ...(code === undefined ? {} : { code }),
    ...(signal === undefined ? {} : { signal }),
  };
}
