import type { GuestAddress } from "../../common/protocol/transport/address.ts";
import type { Capabilities } from "./capabilities.ts";
import type { Device, GuestLocation } from "./device.ts";
import type { VmState } from "./vm_state.ts";

/** What every virtual machine monitor offers; one driver a folder, named in drivers.ts alone. */
export interface Hypervisor {
  readonly name: string;
  readonly capabilities: Capabilities;
  /**
   * Boots a VM. Returns when its monitor answers and the guest runs; the guest's agent may still be booting.
   * Whatever was started is gone when this throws.
   * @throws {RuntimeError} InvalidArgument: a file or setting, named with its key. Unavailable: the VMM did not start.
   */
  start(spec: VmSpec, signal: AbortSignal): Promise<Vm>;
}

/** The VM to make. */
export interface VmSpec {
  /** The sandbox's id: letters, digits, `-`, `_`, `.`. */
  readonly id: string;
  /** An existing folder (mode 0700) of the sandbox, for sockets. Its path is also how leftovers are recognised. */
  readonly stateDir: string;
  /** ELF vmlinux or bzImage. */
  readonly kernel: string;
  /** cpio archive, compressed or not. */
  readonly initrd?: string;
  /** Raw image of the root file system, read-only, as first disk. */
  readonly image?: string;
  /** Appended to what machine and accelerator need. */
  readonly kernelParams: readonly string[];
  readonly vcpus: number;
  readonly maxVcpus: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
  /** How many times memory can be added; never, when absent. */
  readonly memorySlots?: number;
  readonly devices: readonly Device[];
  /** A network namespace (bind-mounted or in /proc) that the VMM shall live in. */
  readonly netnsPath?: string;
  /** Makes the VM one that can be saved for cloning, or a clone. Only with the capability `template`. */
  readonly template?: VmTemplate;
}

/** What a VM has to do with a template, and the template's files. */
export interface VmTemplate {
  /**
   * An `origin` boots as usual and writes both files, which must not exist yet. A `clone` goes on where the origin
   * was saved and reads them; kernel, initrd, image, sizes and kinds of devices must be the origin's.
   */
  readonly role: "origin" | "clone";
  /** The guest's memory; best on a tmpfs. A clone maps it copy-on-write and never changes it. */
  readonly memory: string;
  /** The devices' state. */
  readonly state: string;
}

/** What a VM has of processors and memory. */
export interface VmResources {
  readonly vcpus: number;
  readonly memoryMiB: number;
}

/** A running VM. Disposing of it stops it. */
export interface Vm extends AsyncDisposable {
  readonly pid: number;
  /** Where the agent's transport begins. */
  readonly address: GuestAddress;
  /** Resolves, never rejects, when the VM is no more, whatever the cause. */
  readonly exited: Promise<VmExit>;
  /** Enough for {@linkcode cleanUp} in another process. */
  readonly saved: VmState;
  /** @throws {RuntimeError} Unimplemented: not hot-pluggable here. ResourceExhausted: no slot left. */
  attach(device: Device): Promise<GuestLocation>;
  /** Unplugs what {@linkcode attach} plugged, once the guest has let go of it. */
  detach(id: string): Promise<void>;
  /**
   * Tells the guest how large a plugged disk has become on the host.
   * @param bytes What its file or device has: never less than the VMM last saw, because a VMM may cut a file off there.
   * @throws {RuntimeError} NotFound: no disk of that id is plugged; or what the VMM says.
   */
  resizeDisk(id: string, bytes: number): Promise<void>;
  /** Where the guest finds a network card, or a disk plugged in later, where the VMM knows. */
  locationOf(id: string): GuestLocation | undefined;
  /**
   * Gives the VM more, or takes back what it was given beyond its size at the start, as far as maxima and guest allow.
   * The guest's agent has to switch new processors on. Only with the capability `resize`.
   * @returns What the VM has then.
   * @throws {RuntimeError} The VMM cannot give it, or the guest keeps what it is to give back; what was done stays done.
   */
  resize?(wanted: VmResources): Promise<VmResources>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** What the VMM has counted since the start, such as bytes read, by device and figure; where the VMM counts. */
  counters?(signal: AbortSignal): Promise<VmCounters>;
  /**
   * Writes a template's state file; its guest is paused for good then. Only with the capability `template`.
   * @throws {RuntimeError} FailedPrecondition: the VM was not started as an origin, or the VMM could not.
   */
  saveTemplate?(signal: AbortSignal): Promise<void>;
  /** Ends the VM: politely within a bound, then by SIGKILL. Resolves when nothing of it runs. Idempotent. */
  stop(): Promise<void>;
}

/** Figures of devices: `{"block": {"read_bytes": 4096}}`. */
export type VmCounters = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** How a VM ended. */
export interface VmExit {
  /** For people: what ended it, with the VMM's and the guest console's last words; bounded, no control characters. */
  readonly reason: string;
  /** Exit status of the VMM, if it exited. */
  readonly code?: number;
  /** Number of the signal that ended the VMM, if one did. */
  readonly signal?: number;
}
