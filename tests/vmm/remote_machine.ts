/** A VM of the example of a remote hypervisor: QEMU with a vsock that a Unix socket bridges. */
import type { MachineSpec } from "../../common/protocol/gen/kata/hypervisor_pb.ts";
import { QmpClient } from "../../runtime/hypervisor/qemu/qmp.ts";
import { exitText } from "../../runtime/hypervisor/exit_text.ts";
import { startServing } from "../../runtime/hypervisor/serving_process.ts";
import { TextTail } from "../../runtime/hypervisor/text_tail.ts";
import { type RunningVmProcess, settlesWithin } from "../../runtime/hypervisor/vm_process.ts";

/** How a VM ended. */
export interface MachineEnd {
  readonly reason: string;
  readonly code?: number;
  readonly signal?: number;
}

export interface MachineOptions {
  readonly spec: MachineSpec;
  /** Empty: the one of this program. */
  readonly netnsPath: string;
  readonly qemu: string;
  /** vhost-device-vsock. */
  readonly vsockDevice: string;
}

const READY_MS = 10_000;
const STOP_MS = 2000;
const SCSI_LUNS = 255;

/** Sockets and files of a VM, all in its folder. */
function filesOf(folder: string) {
  return {
    monitor: `${folder}/qmp.sock`,
    device: `${folder}/vhost.sock`,
    agent: `${folder}/vsock.sock`,
    console: `${folder}/console`,
  };
}

function quoted(value: string): string {
  return value.replaceAll(",", ",,");
}

function diskNode(id: string, path: string, readonly: boolean): Record<string, unknown> {
  const file = { driver: "file", filename: path, "read-only": readonly, locking: "off" };
  return { driver: "raw", "node-name": id, "read-only": readonly, file };
}

function argumentsOf({ spec, qemu }: MachineOptions): string[] {
  const files = filesOf(spec.stateDir), memory = `${spec.memoryMib}M`;
  const image = spec.image === "" ? [] : [{ id: "image", path: spec.image, readonly: true }];
  const words = ["console=ttyS0", "reboot=t", "mitigations=off", "tsc=reliable", "no_timer_check"];
  return [
    ...[qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-machine", "q35,usb=off,vmport=off,sata=off,hpet=off,graphics=off,memory-backend=ram"],
    ...["-accel", "tcg,tb-size=64", "-cpu", "max,-erms,-fsrm"],
    ...["-m", memory, "-smp", `${spec.vcpus}`],
    ...["-object", `memory-backend-memfd,share=on,id=ram,size=${memory}`],
    ...["-qmp", `unix:${quoted(files.monitor)},server=on,wait=off`],
    ...["-chardev", `file,id=console,path=${quoted(files.console)}`, "-serial", "chardev:console"],
    ...["-kernel", spec.kernel, ...(spec.initrd === "" ? [] : ["-initrd", spec.initrd])],
    ...["-append", [...words, ...spec.kernelParams].join(" ")],
    ...["-chardev", `socket,id=vsock,path=${quoted(files.device)}`],
    ...["-device", "vhost-user-vsock-pci,chardev=vsock", "-device", "virtio-rng-pci"],
    ...["-device", "virtio-scsi-pci,id=scsi", "-device", "pvpanic-pci"],
    ...["-device", "pcie-root-port,id=slot0,bus=pcie.0,chassis=1,addr=0x10"],
    ...[...image, ...spec.disks].flatMap(({ id, path, readonly }) => [
      ...["-blockdev", JSON.stringify(diskNode(id, path, readonly))],
      ...["-device", `virtio-blk-pci,drive=${id},id=${id}-device`],
    ]),
    ...spec.nets.flatMap(({ id, tap, mac }) => [
      ...["-netdev", `tap,id=${id},ifname=${quoted(tap)},script=no,downscript=no`],
      ...["-device", `virtio-net-pci,netdev=${id},mac=${mac},id=${id}-device,romfile=`],
    ]),
  ];
}

/** One VM, from the start of its processes to the removal of its files. */
export class RemoteMachine {
  readonly #qmp: QmpClient;
  readonly #qemu: RunningVmProcess;
  readonly #luns = new Map<string, number>();
  readonly #causes: string[] = [];
  /** Resolves when nothing of the VM is left. */
  readonly ended: Promise<MachineEnd>;

  private constructor(qmp: QmpClient, qemu: RunningVmProcess, release: () => Promise<string>) {
    this.#qmp = qmp;
    this.#qemu = qemu;
    qmp.onEvent(({ name, data }) => {
      if (name === "GUEST_PANICKED") this.#causes.push("the guest's kernel panicked");
      if (data.reason === "guest-shutdown") this.#causes.push("the guest powered itself off");
    });
    this.ended = this.#follow(release);
  }

  /** @throws With QEMU's words. Nothing runs then. */
  static async start(options: MachineOptions): Promise<RemoteMachine> {
    const { stateDir } = options.spec, files = filesOf(stateDir);
    const signal = AbortSignal.timeout(READY_MS);
    const spawn = (role: string, argv: string[], socket: string): Promise<RunningVmProcess> =>
      // The folder as KATA_VM_STATE_DIR in their environment is what startServing gives them.
      startServing({
        ...{ role, argv, stateDir, socket, readyMs: READY_MS },
        ...(options.netnsPath === "" ? {} : { netnsPath: options.netnsPath }),
      }, signal);
    await using undo = new AsyncDisposableStack();
    undo.defer(() => removeFiles(stateDir));
    const device = `guest-cid=3,socket=${files.device},uds-path=${files.agent}`;
    const vsock = await spawn("vsock", [options.vsockDevice, "--vm", device], files.device);
    undo.defer(() => vsock.kill());
    const qemu = await spawn("qemu", argumentsOf(options), files.monitor);
    undo.defer(() => qemu.kill());
    const qmp = undo.use(await openMonitor(files.monitor, qemu));
    const owned = undo.move();
    return new RemoteMachine(qmp, qemu, async () => {
      const words = await lastWords(files.console);
      await owned.disposeAsync();
      return words;
    });
  }

  /** The VMM's. */
  get pid(): number {
    return this.#qemu.pid;
  }

  async pause(): Promise<void> {
    await this.#qmp.execute("stop");
  }

  async resume(): Promise<void> {
    await this.#qmp.execute("cont");
  }

  /** @returns Its number on the SCSI controller. */
  async addDisk(id: string, path: string, readonly: boolean): Promise<number> {
    const taken = new Set(this.#luns.values());
    const lun = Array.from({ length: SCSI_LUNS }, (_, n) => n).find((n) => !taken.has(n));
    if (lun === undefined) throw new Error("No place is left for another disk");
    this.#luns.set(id, lun); // before the first wait, so that nobody takes the same place
    try {
      await this.#qmp.execute("blockdev-add", diskNode(id, path, readonly));
      const place = { bus: "scsi.0", "scsi-id": 0, lun };
      await this.#plug("scsi-hd", id, { drive: id, ...place }, ["blockdev-del", "node-name"]);
      return lun;
    } catch (error) {
      this.#luns.delete(id);
      throw error;
    }
  }

  async addNet(id: string, tap: string, mac: string): Promise<void> {
    const backend = { type: "tap", id, ifname: tap, script: "no", downscript: "no" };
    await this.#qmp.execute("netdev_add", backend);
    const card = { netdev: id, mac, bus: "slot0", romfile: "" };
    await this.#plug("virtio-net-pci", id, card, ["netdev_del", "id"]);
  }

  /** Takes a device out once the guest has let go of it. */
  async remove(id: string): Promise<void> {
    const device = `${id}-device`;
    const gone = this.#qmp.nextEvent(
      ({ name, data }) => name === "DEVICE_DELETED" && data.device === device,
      AbortSignal.timeout(READY_MS),
    );
    gone.catch(() => {}); // device_del may fail first
    await this.#qmp.execute("device_del", { id: device });
    await gone;
    if (this.#luns.delete(id)) await this.#qmp.execute("blockdev-del", { "node-name": id });
    else await this.#qmp.execute("netdev_del", { id });
  }

  async resizeDisk(id: string, size: number): Promise<void> {
    await this.#qmp.execute("block_resize", { "node-name": id, size });
  }

  /** Politely, then by SIGKILL. */
  async stop(): Promise<void> {
    const kill = setTimeout(() => void this.#qemu.kill(), STOP_MS);
    this.#qmp.execute("quit").catch(() => {}); // QEMU may end before it answers
    await this.ended;
    clearTimeout(kill);
  }

  async #plug(
    driver: string,
    id: string,
    options: Record<string, unknown>,
    [undo, key]: readonly [string, string],
  ): Promise<void> {
    try {
      await this.#qmp.execute("device_add", { driver, id: `${id}-device`, ...options });
    } catch (error) {
      await this.#qmp.execute(undo, { [key]: id });
      throw error;
    }
  }

  async #follow(release: () => Promise<string>): Promise<MachineEnd> {
    const status = await this.#qemu.exited;
    const words = await release();
    const how = exitText(status, this.#qemu.output.lines(3));
    const reason = [`QEMU ${how}`, ...this.#causes, ...(words === "" ? [] : [words])].join("; ");
    return { reason, ...status };
  }
}

/** @throws With the words of a QEMU that has ended. */
async function openMonitor(path: string, qemu: RunningVmProcess): Promise<QmpClient> {
  try {
    return await QmpClient.open(await Deno.connect({ transport: "unix", path }), READY_MS);
  } catch (cause) {
    if (!await settlesWithin(qemu.exited, STOP_MS)) throw cause;
    const text = exitText(await qemu.exited, qemu.output.lines(5));
    throw new Error(`QEMU did not start: it ${text}`, { cause });
  }
}

async function removeFiles(folder: string): Promise<void> {
  for (const path of Object.values(filesOf(folder))) {
    await Deno.remove(path).catch(() => {}); // whoever made it has removed it
  }
}

/** The end of what the guest wrote to its console. */
async function lastWords(path: string): Promise<string> {
  const tail = new TextTail();
  tail.push(await Deno.readFile(path).catch(() => new Uint8Array())); // it never came to write
  return tail.panic() ?? tail.lines(5);
}
