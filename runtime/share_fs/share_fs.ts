import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StorageSchema } from "../../common/protocol/gen/kata/agent_pb.ts";
import type { VmProcess } from "../hypervisor/vm_state.ts";
import type { Device } from "../hypervisor/device.ts";

/** Below this the guest keeps what comes from the host. Source: the Kata agent's kataGuestSharedDir. */
export const GUEST_FILES = "/run/kata-containers/shared/containers";

/** Where the guest mounts what the host shares; beside it lies what is copied. */
export const GUEST_SHARE = `${GUEST_FILES}/passthrough`;

/** Which mounts of a bind mount nobody may write to; Kubernetes' `readOnly` and `recursiveReadOnly`. */
export type ReadOnly = "none" | "top" | "all";

/** A bind mount of the host's that a container shall see. */
export interface HostMount {
  /** File or folder on the host, absolute. */
  readonly source: string;
  /** Where the container wants it; only its last part is used, to make names readable. */
  readonly destination: string;
  readonly readonly: ReadOnly;
  /** Whether mounts below the source come along. */
  readonly recursive: boolean;
  /** Whether what the host mounts below the source later shows up too. */
  readonly follows: boolean;
}

/** Something of the agent's to mount. */
export type GuestStorage = MessageInitShape<typeof StorageSchema>;

/** Shows files of the host to one sandbox's guest. Disposing of it removes everything of it. */
export interface ShareFs extends AsyncDisposable {
  /** Its `shared_fs`. */
  readonly name: "virtio-9p" | "virtio-fs" | "none";
  /** What carries the files into the VM. Valid after {@linkcode prepare}. */
  readonly devices: readonly Device[];
  /** What the agent shall mount when the sandbox is created. */
  readonly storages: readonly GuestStorage[];
  /** What runs on the host for it. Valid after {@linkcode prepare}. */
  readonly processes: readonly VmProcess[];
  /** Resolves with the reason when files can be shown no more, as when a helper process died; the VM is lost then. */
  readonly lost: Promise<string>;
  /** Makes what the VM needs before it starts. @throws {RuntimeError} AlreadyExists; everything is undone on failure. */
  prepare(): Promise<void>;
  /**
   * Shows a container's root file system, writable.
   * @returns Its path in the guest.
   * @throws {RuntimeError} Unimplemented: only a block device can be a root file system.
   */
  shareRootfs(containerId: string, source: string): Promise<string>;
  /**
   * Shows a file or folder.
   * @returns Its path in the guest.
   * @throws {RuntimeError} NotFound: no such source. InvalidArgument: a device. Everything is undone on failure.
   */
  shareMount(containerId: string, mount: HostMount): Promise<string>;
  /** Takes back everything shared for a container. Idempotent. */
  remove(containerId: string): Promise<void>;
}
