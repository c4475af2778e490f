import { Code, RuntimeError } from "../../../common/base/errors.ts";
import { close } from "../../../common/linux/fd.ts";
import { FdStream } from "../../../common/linux/fd_stream.ts";
import { unixConnect } from "../../../common/linux/socket.ts";
import type { Capabilities, Transport } from "../capabilities.ts";
import { vhostVsockAvailable } from "../guest_cid.ts";
import { tscFrequencyParams } from "../guest_kernel_params.ts";
import { LoggedConsole } from "../console_log.ts";
import type { Hypervisor, VmSpec, VmTemplate } from "../hypervisor.ts";
import { removeSockets } from "../remove_sockets.ts";
import { checkSpec } from "../spec_check.ts";
import { TextTail } from "../text_tail.ts";
import { chooseTransport } from "../transport_choice.ts";
import { follow, RunningVmProcess, settlesWithin } from "../vm_process.ts";
import type { VmState } from "../vm_state.ts";
import { listenForVm } from "../vm_socket.ts";
import { claimVmmUser, type VmmUser } from "../vmm_user.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { type Channel, openChannel } from "./channel.ts";
import {
  type CommandLine,
  commandLine,
  hasMemoryRoom,
  needsSharedMemory,
  type QemuPlan,
} from "./command_line.ts";
import { exitText } from "../exit_text.ts";
import { MAX_LUNS } from "./disk.ts";
import { checkHugePages, parseHugePages } from "./huge_pages.ts";
import { type MachineProfile, MACHINES } from "./machine.ts";
import { MAX_NETS, netLocations } from "./net_slots.ts";
import { hostNodes, type NumaNode, numaNodes } from "./numa.ts";
import { openMonitor } from "./monitor.ts";
import { type Accelerator, DEFAULT_QEMU_OPTIONS, type QemuOptions } from "./options.ts";
import type { MonitorConnection, QmpClient, QmpOpening } from "./qmp.ts";
import { qemuRelease } from "./release.ts";
import type { ResizeRoom } from "./resizer.ts";
import { cloneEnvironment, findPrivateRam, incoming, openState } from "./template.ts";
import { findVhostDeviceVsock } from "./vhost_device_vsock.ts";
import { type QemuParts, QemuVm } from "./vm.ts";

/** A QEMU that has closed its monitor is about to end; this long its status is waited for. */
const LAST_STATUS_MS = 1000;
/** How long the guest's last words may take to arrive. */
const LAST_WORDS_MS = 200;

type Basis = Pick<QemuPlan, "accelerator" | "release" | "numa" | "tscParams">;

function cloneOf({ template }: VmSpec): VmTemplate | undefined {
  return template?.role === "clone" ? template : undefined;
}

/** Boots VMs in QEMU, one process each. */
export class QemuDriver implements Hypervisor {
  readonly name = "qemu";
  readonly capabilities: Capabilities;
  readonly #options: QemuOptions;
  readonly #machine: MachineProfile;

  constructor(options: Partial<QemuOptions> = {}) {
    this.#options = { ...DEFAULT_QEMU_OPTIONS, ...options };
    const machine = MACHINES[this.#options.machineType];
    const rootPorts = Math.max(machine.rootPorts, this.#options.rootPorts);
    this.#machine = { ...machine, rootPorts };
    this.capabilities = {
      transports: ["vsock", "serial", "hybrid-vsock"],
      shareFs: this.#options.rootless ? ["virtio-fs"] : ["virtio-9p", "virtio-fs"],
      hotPlug: this.#machine.pcie ? ["disk", "net"] : ["disk"],
      resize: this.#machine.resizes,
      pause: true,
      template: this.#clones(),
      maxVcpus: this.#machine.maxVcpus,
      maxDisks: MAX_LUNS,
      maxNets: MAX_NETS,
      tapBy: "descriptor",
    };
  }

  /** A template is one file of ordinary pages; what is cloned from it must be kept from changing it. */
  #clones(): boolean {
    const { hugePages, numa, freePageReporting, privateRam } = this.#options;
    if (hugePages || numa) return false;
    return !freePageReporting || findPrivateRam(privateRam) !== undefined;
  }

  async start(given: VmSpec, signal: AbortSignal): Promise<QemuVm> {
    signal.throwIfAborted();
    await checkSpec(given, this.capabilities, this.#options.path);
    const spec = this.#machine.resizes ? given : withoutRoom(given);
    const basis = await this.#basis(spec, signal);
    await using undo = new AsyncDisposableStack();
    using descriptors = new DisposableStack();
    const sockets = {
      monitor: `${spec.stateDir}/monitor.sock`,
      console: `${spec.stateDir}/console.sock`,
    };
    const channel = descriptors.use(await this.#openChannel(spec.stateDir, signal));
    undo.defer(() => removeSockets(channel.paths));
    if (channel.helper) undo.defer(killer(channel.helper));
    const clone = cloneOf(spec);
    const line = commandLine(spec, {
      ...basis,
      options: this.#options,
      machine: this.#machine,
      channel: channel.device,
      monitorFd: listen(sockets.monitor, descriptors, undo),
      consoleFd: listen(sockets.console, descriptors, undo),
      ...(clone && { stateFd: openState(clone, descriptors) }),
      ...(this.#changesUser(spec) && { user: claimUser(descriptors) }),
    });
    const qemu = this.#spawn(spec, line);
    undo.defer(killer(qemu));
    const console = this.#options.debug ? new LoggedConsole(spec.id) : new TextTail();
    undo.defer(await followConsole(sockets.console, console));
    const reopen = () => new FdStream(unixConnect(sockets.monitor));
    const monitor = reopen();
    descriptors.dispose(); // from here on a connection ends when QEMU does
    const opening = { ...(line.stateFd !== undefined && incoming(line.stateFd)), reopen };
    const qmp = undo.use(await this.#openMonitor(monitor, qemu, opening, signal));
    const room = this.#room(spec, channel, basis.accelerator);
    return this.#vm(spec, channel, { qemu, qmp, console, room }, undo.move());
  }

  /** What host and configuration allow, found out before anything is started. */
  async #basis(spec: VmSpec, signal: AbortSignal): Promise<Basis> {
    const [accelerator, release, numa] = await Promise.all([
      chooseAccelerator(this.#options, spec.stateDir, signal),
      qemuRelease(this.#options),
      this.#numa(spec),
    ]);
    if (this.#options.hugePages) await checkHostHugePages(spec.memoryMiB);
    // A clone's guest has been told, but its machine may have to be the origin's.
    const told = cloneOf(spec) !== undefined && this.#machine.withKnownClock === "";
    const tscParams = told ? [] : await tscParamsOf(this.#machine, accelerator);
    return { accelerator, release, numa, tscParams };
  }

  #vm(
    spec: VmSpec,
    channel: Channel,
    parts: Pick<QemuParts, "qemu" | "qmp" | "console" | "room">,
    owned: AsyncDisposableStack,
  ): QemuVm {
    const processes = [parts.qemu, ...(channel.helper ? [channel.helper] : [])].map(({ saved }) =>
      saved
    );
    const saved: VmState = { driver: this.name, id: spec.id, stateDir: spec.stateDir, processes };
    return new QemuVm({
      ...parts,
      saved,
      helper: channel.helper,
      template: spec.template,
      address: channel.address,
      rootPorts: this.#machine.rootPorts,
      netLocations: netLocations(spec.devices, this.#machine),
      disk: this.#options.disk,
      opensDisks: !this.#changesUser(spec),
      release: () => owned.disposeAsync(),
    });
  }

  /** The VM that becomes a template runs nothing of anybody's, and must reach the socket that takes its state. */
  #changesUser({ template }: VmSpec): boolean {
    return this.#options.rootless && template?.role !== "origin";
  }

  async #numa({ memoryMiB, maxVcpus: vcpus, template }: VmSpec): Promise<NumaNode[]> {
    const { numa } = this.#options;
    if (!numa || template) return [];
    return numaNodes(numa, await hostNodes(), { memoryMiB, vcpus });
  }

  /** None where the machine stays as it is. */
  #room(spec: VmSpec, { device }: Channel, accelerator: Accelerator): ResizeRoom | undefined {
    if (!this.#machine.resizes) return undefined;
    const { vcpus: boot, maxVcpus: max, memoryMiB: bootMiB, memorySlots: slots = 0 } = spec;
    const hot = hasMemoryRoom(spec), shared = needsSharedMemory(spec.devices, device);
    const kind = { shared, hugePages: this.#options.hugePages };
    const memory = { bootMiB, maxMiB: hot ? spec.maxMemoryMiB : bootMiB, slots, kind };
    const parked = accelerator === "tcg";
    return { cpus: { boot, max }, parked, memory, virtioMem: hot && this.#options.virtioMem };
  }

  async #openChannel(stateDir: string, signal: AbortSignal): Promise<Channel> {
    const vhostDeviceVsock = findVhostDeviceVsock(this.#options.vhostDeviceVsock);
    const transport: Transport = chooseTransport(this.#options.transport, {
      supported: this.capabilities.transports,
      vhostVsock: vhostVsockAvailable(),
      vhostDeviceVsock,
    });
    return await openChannel({ transport, stateDir, vhostDeviceVsock }, signal);
  }

  #spawn(spec: VmSpec, { argv, fds }: CommandLine): RunningVmProcess {
    const { stateDir, netnsPath, template } = spec;
    const library = findPrivateRam(this.#options.privateRam);
    return RunningVmProcess.spawn({
      role: "qemu",
      argv,
      fds,
      stateDir,
      ...(netnsPath !== undefined && { netnsPath }),
      ...(template?.role === "clone" && { env: cloneEnvironment(template, library) }),
    });
  }

  async #openMonitor(
    connection: MonitorConnection,
    qemu: RunningVmProcess,
    opening: QmpOpening,
    signal: AbortSignal,
  ): Promise<QmpClient> {
    try {
      return await openMonitor(connection, signal, opening);
    } catch (error) {
      signal.throwIfAborted();
      await this.#explain(qemu);
      throw error;
    }
  }

  /** Throws something better than "closed its monitor", if QEMU has ended. */
  async #explain(qemu: RunningVmProcess): Promise<void> {
    if (!await settlesWithin(qemu.exited, LAST_STATUS_MS)) return;
    const text = exitText(await qemu.exited, qemu.output.lines(5));
    throw new RuntimeError(Code.Unavailable, `QEMU did not start: ${this.#options.path} ${text}`);
  }
}

/** A machine that cannot be given more has all of it from the start. */
function withoutRoom(spec: VmSpec): VmSpec {
  return { ...spec, maxVcpus: spec.vcpus, maxMemoryMiB: spec.memoryMiB };
}

async function checkHostHugePages(memoryMiB: number): Promise<void> {
  checkHugePages(parseHugePages(await Deno.readTextFile("/proc/meminfo")), memoryMiB);
}

/** @throws {RuntimeError} FailedPrecondition: the machine has no other way to tell its guest the time. */
async function tscParamsOf(
  { arch, needsKnownClock }: MachineProfile,
  accelerator: Accelerator,
): Promise<string[]> {
  if (arch !== "x86_64" || accelerator === "kvm") return [];
  const params = tscFrequencyParams(await Deno.readTextFile("/proc/cpuinfo"));
  if (params.length > 0 || !needsKnownClock) return params;
  throw new RuntimeError(
    Code.FailedPrecondition,
    'machine_type = "microvm": an emulated one needs a host that knows its TSC\'s frequency (tsc_known_freq)',
  );
}

function killer(process: RunningVmProcess): () => Promise<void> {
  return () => process.kill();
}

function listen(path: string, owner: DisposableStack, undo: AsyncDisposableStack): number {
  const fd = listenForVm(path);
  owner.defer(() => close(fd));
  undo.defer(() => removeSockets([path]));
  return fd;
}

function claimUser(owner: DisposableStack): VmmUser {
  const user = claimVmmUser();
  owner.defer(() => close(user.claimFd));
  return user;
}

/** Keeps the guest's last words. @returns What ends that. */
async function followConsole(path: string, tail: TextTail): Promise<() => Promise<void>> {
  const connection = await Deno.connect({ transport: "unix", path });
  const followed = follow(connection, tail);
  return async () => {
    await settlesWithin(followed, LAST_WORDS_MS); // ends by itself where QEMU has ended
    connection.close();
  };
}
