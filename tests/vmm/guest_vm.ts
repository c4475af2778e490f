/**
 * The machine behind a conforming API server: a real VM in QEMU with hybrid vsock, so that guests really run. It ends
 * with the server, however that ends.
 */
import { messageOf } from "../../common/base/errors.ts";
import { QmpClient } from "../../runtime/hypervisor/qemu/qmp.ts";
import type { QmpEvent } from "../../runtime/hypervisor/qemu/qmp_message.ts";
import { startServing } from "../../runtime/hypervisor/serving_process.ts";
import { type RunningVmProcess, settlesWithin } from "../../runtime/hypervisor/vm_process.ts";
import { GuestPlug } from "./guest_plug.ts";
import { loadMachine, type SavedFiles, saveMachine, vsockBack } from "./guest_save.ts";
import {
  CONSOLE_FD,
  type GuestMachine,
  type Incoming,
  qemuArguments,
  VIRTIO_MEM_ID,
} from "./machine.ts";

const READY_MS = 10_000;
const MIB = 1024 * 1024;
const BELOW_ITS_SERVER = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"];

function onPath(program: string): string {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  const found = folders.map((folder) => `${folder}/${program}`).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false; // not there, as most
    }
  });
  if (found === undefined) throw new Error(`${program} is not installed`);
  return found;
}

/** What happens inside, as QEMU tells it. */
export type Told = (event: QmpEvent) => void;

export class GuestVm {
  readonly plug: GuestPlug;
  readonly #qmp: QmpClient;
  readonly #processes: readonly RunningVmProcess[];
  #loaded = false;

  private constructor(
    readonly machine: GuestMachine,
    readonly folder: string,
    qmp: QmpClient,
    processes: readonly RunningVmProcess[],
  ) {
    this.#qmp = qmp;
    this.#processes = processes;
    this.plug = new GuestPlug(qmp);
  }

  /** @param folder For sockets between the two processes; made here. @throws With QEMU's words. */
  static async boot(machine: GuestMachine, folder: string, told: Told): Promise<GuestVm> {
    await Deno.mkdir(folder, { mode: 0o700 });
    return await GuestVm.#start(machine, folder, told);
  }

  /** Goes on where a machine was saved; it is paused then. */
  static async load(
    machine: GuestMachine,
    folder: string,
    saved: SavedFiles,
    told: Told,
  ): Promise<GuestVm> {
    await Deno.mkdir(folder, { mode: 0o700 });
    const memory = `${folder}/memory`;
    await Deno.copyFile(saved.memory, memory);
    await Deno.chmod(memory, 0o600);
    const vm = await GuestVm.#start(machine, folder, told, { memory });
    await Deno.remove(memory); // QEMU has it open
    await loadMachine(vm.#qmp, saved.state).catch((error) => {
      throw new Error(`${messageOf(error)}: ${vm.#processes[0]?.output.lines(5)}`);
    });
    vm.#loaded = true;
    return vm;
  }

  static async #start(
    machine: GuestMachine,
    folder: string,
    told: Told,
    incoming?: Incoming,
  ): Promise<GuestVm> {
    const signal = AbortSignal.timeout(READY_MS);
    const fds = { [CONSOLE_FD]: machine.consoleFd };
    const spawn = (role: string, argv: string[], socket: string): Promise<RunningVmProcess> =>
      startServing({
        ...{ role, argv: [...BELOW_ITS_SERVER, ...argv], stateDir: folder, fds },
        ...{ socket: `${folder}/${socket}`, readyMs: READY_MS },
      }, signal);
    const device = `guest-cid=3,socket=${folder}/vhost.sock,uds-path=${machine.vsockPath}`;
    const helper = [onPath("vhost-device-vsock"), "--vm", device];
    const vsock = await spawn("vsock", helper, "vhost.sock");
    const qemu = await spawn("qemu", qemuArguments(machine, folder, incoming), "qmp.sock");
    const connection = await Deno.connect({ transport: "unix", path: `${folder}/qmp.sock` });
    const qmp = await QmpClient.open(connection, READY_MS).catch(async (error) => {
      await settlesWithin(qemu.exited, READY_MS);
      throw new Error(`${messageOf(error)}: ${qemu.output.lines(5)}`);
    });
    qmp.onEvent(told);
    return new GuestVm(machine, folder, qmp, [qemu, vsock]);
  }

  /** Resolves when QEMU has ended. */
  get ended(): Promise<void> {
    return (this.#processes[0]?.exited ?? Promise.reject(new Error("not booted"))).then(() => {});
  }

  async pause(): Promise<void> {
    await this.#qmp.execute("stop");
  }

  async resume(): Promise<void> {
    await this.#qmp.execute("cont");
    if (this.#loaded) await vsockBack(this.#qmp, `${this.folder}/vhost.sock`);
    this.#loaded = false;
  }

  /** Writes a paused machine's memory and state. @throws With QEMU's words: it has what cannot be saved. */
  async save(files: SavedFiles): Promise<void> {
    const pid = this.#processes[0]?.pid ?? 0, { memoryMiB } = this.machine;
    await saveMachine(this.#qmp, { pid, memoryMiB }, files);
  }

  /** Offers the guest so much memory beyond its first; it takes it when it comes to it. */
  async addMemory(mib: number): Promise<void> {
    const path = `/machine/peripheral/${VIRTIO_MEM_ID}`;
    await this.#qmp.execute("qom-set", { path, property: "requested-size", value: mib * MIB });
  }

  /** What the guest has taken of that. */
  async addedMemoryMiB(): Promise<number> {
    const path = `/machine/peripheral/${VIRTIO_MEM_ID}`;
    return Number(await this.#qmp.execute("qom-get", { path, property: "size" })) / MIB;
  }

  async stop(): Promise<void> {
    for (const process of this.#processes) await process.kill();
  }
}
