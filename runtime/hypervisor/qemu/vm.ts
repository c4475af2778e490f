import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { ExitStatus } from "../../../common/linux/reaper.ts";
import type { GuestAddress } from "../../../common/protocol/transport/address.ts";
import type { Device, GuestLocation } from "../device.ts";
import type { Vm, VmExit, VmResources, VmTemplate } from "../hypervisor.ts";
import type { TextTail } from "../text_tail.ts";
import { type RunningVmProcess, settlesWithin } from "../vm_process.ts";
import type { VmState } from "../vm_state.ts";
import { exitText } from "../exit_text.ts";
import { DiskErrors } from "./disk_errors.ts";
import { HotPlug } from "./hot_plug.ts";
import type { DiskOptions } from "./options.ts";
import type { QmpClient } from "./qmp.ts";
import { Resizer, type ResizeRoom } from "./resizer.ts";
import { saveState } from "./template.ts";
import { QMP_CLOSED_GRACE_MS, STOP_MS } from "./timing.ts";
import type { QmpEvent } from "./qmp_message.ts";

/** What the driver hands over to a {@linkcode QemuVm}, which owns it from then on. */
export interface QemuParts {
  readonly qemu: RunningVmProcess;
  readonly helper: RunningVmProcess | undefined;
  readonly qmp: QmpClient;
  readonly console: TextTail;
  readonly address: GuestAddress;
  readonly saved: VmState;
  readonly rootPorts: number;
  readonly disk: DiskOptions;
  readonly opensDisks: boolean;
  /** Absent: the machine stays as it is. */
  readonly room: ResizeRoom | undefined;
  readonly template: VmTemplate | undefined;
  readonly netLocations: ReadonlyMap<string, GuestLocation>;
  /** Frees the rest: connections and sockets. Called once, when QEMU has ended. */
  readonly release: () => Promise<void>;
}

/** Lines of the guest's console in the reason of an exit. */
const CONSOLE_LINES = 8;

/** A VM in QEMU. */
export class QemuVm implements Vm {
  readonly #parts: QemuParts;
  readonly #hotPlug: HotPlug;
  readonly resize?: (wanted: VmResources) => Promise<VmResources>;
  readonly exited: Promise<VmExit>;
  #causes: string[] = [];
  #over = false;
  #stopping: Promise<void> | undefined;

  constructor(parts: QemuParts) {
    this.#parts = parts;
    this.#hotPlug = new HotPlug(parts.qmp, parts);
    if (parts.room) {
      const resizer = new Resizer(parts.qmp, parts.room);
      this.resize = (wanted) => resizer.resize(wanted);
    }
    parts.qmp.onEvent((event) => this.#note(event));
    const disks = new DiskErrors(parts.saved.id);
    parts.qmp.onEvent((event) => disks.note(event));
    this.exited = parts.qemu.exited.then((status) => this.#end(status));
    void parts.qmp.closed.then((cause) => this.#monitorLost(cause));
    void parts.helper?.exited.then((status) => this.#helperLost(status));
  }

  get pid(): number {
    return this.#parts.qemu.pid;
  }

  get address(): GuestAddress {
    return this.#parts.address;
  }

  get saved(): VmState {
    return this.#parts.saved;
  }

  attach(device: Device): Promise<GuestLocation> {
    return this.#hotPlug.attach(device);
  }

  detach(id: string): Promise<void> {
    return this.#hotPlug.detach(id);
  }

  resizeDisk(id: string, bytes: number): Promise<void> {
    return this.#hotPlug.resizeDisk(id, bytes);
  }

  locationOf(id: string): GuestLocation | undefined {
    return this.#parts.netLocations.get(id) ?? this.#hotPlug.locationOf(id);
  }

  async pause(): Promise<void> {
    await this.#parts.qmp.execute("stop");
  }

  async resume(): Promise<void> {
    await this.#parts.qmp.execute("cont");
  }

  async saveTemplate(signal: AbortSignal): Promise<void> {
    const { template, qmp, saved } = this.#parts;
    if (template?.role !== "origin") {
      throw new RuntimeError(
        Code.FailedPrecondition,
        `Cannot save VM "${saved.id}": it was not started as a template's origin`,
      );
    }
    await saveState(qmp, template.state, `${saved.stateDir}/save.sock`, signal);
  }

  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** `quit` writes back what disks hold. A QEMU that does not answer is killed; one that cannot die is reported. */
  async #stop(): Promise<void> {
    if (!this.#over) {
      this.#causes.push("it was stopped");
      const quit = this.#parts.qmp.execute("quit", {}, { timeoutMs: STOP_MS });
      quit.catch(() => {}); // QEMU may end before it answers; if it does not end, it is killed
      if (!await settlesWithin(this.exited, STOP_MS)) void this.#parts.qemu.kill();
    }
    if (await settlesWithin(this.exited, STOP_MS)) return;
    throw new RuntimeError(Code.DeadlineExceeded, `QEMU (pid ${this.pid}) does not die of SIGKILL`);
  }

  #note({ name, data }: QmpEvent): void {
    if (name === "GUEST_PANICKED") this.#causes.push("the guest's kernel panicked");
    if (name !== "SHUTDOWN") return;
    if (data.reason === "guest-reset") {
      this.#causes.push("the guest reset itself, as after a kernel panic");
    }
    if (data.reason === "guest-shutdown") this.#causes.push("the guest powered itself off");
  }

  /** Without its monitor QEMU is out of control. It also closes it just before it ends: then its own end tells more. */
  async #monitorLost(cause: RuntimeError): Promise<void> {
    if (await settlesWithin(this.#parts.qemu.exited, QMP_CLOSED_GRACE_MS)) return;
    this.#causes.push(cause.message);
    await this.#parts.qemu.kill();
  }

  async #helperLost(status: ExitStatus): Promise<void> {
    if (this.#over || !this.#parts.helper) return;
    const { saved, output } = this.#parts.helper;
    this.#causes.push(`${saved.role} ${exitText(status, output.lines(3))}`);
    await this.#parts.qemu.kill();
  }

  async #end(status: ExitStatus): Promise<VmExit> {
    this.#over = true;
    await this.#parts.helper?.kill();
    await this.#parts.release();
    return { reason: this.#reason(status), ...status };
  }

  #reason(status: ExitStatus): string {
    const console = this.#stopping ? "" : this.#lastWords();
    return [
      `QEMU ${exitText(status, this.#parts.qemu.output.lines(3))}`,
      ...[...new Set(this.#causes)],
      ...(console === "" ? [] : [`the guest's console ends with: ${console}`]),
    ].join("; ");
  }

  #lastWords(): string {
    const { console } = this.#parts;
    return console.panic() ?? console.lines(CONSOLE_LINES);
  }
}
