/** What can be part of a virtual machine, as plain data; each driver turns it into what its VMM understands. */
export type Device =
  | Share9p
  | ShareVirtioFs
  | Disk
  | Vsock
  | VhostUserVsock
  | SerialChannel
  | Net
  | Rng
  | Balloon;

/** A host folder that the guest mounts by its tag (virtio-9p). */
export interface Share9p {
  readonly kind: "share-9p";
  /** What the guest names as mount source; at most 31 bytes. */
  readonly tag: string;
  readonly path: string;
  readonly readonly: boolean;
  /** How owners and modes that the guest sets are stored. Source: QEMU, hw/9pfs documentation. */
  readonly securityModel: "passthrough" | "mapped-xattr" | "mapped-file" | "none";
}

/** A host folder that another process serves by virtio-fs over vhost-user; needs shared guest memory. */
export interface ShareVirtioFs {
  readonly kind: "share-virtio-fs";
  /** What the guest names as mount source; at most 31 bytes. */
  readonly tag: string;
  readonly socketPath: string;
  /** Requests that fit in a queue; a power of two. */
  readonly queueSize: number;
}

/** A raw image or block device. */
export interface Disk {
  readonly kind: "disk";
  /** Unique within the VM; letters, digits, `-`, `_`, `.`. */
  readonly id: string;
  readonly path: string;
  readonly source: "file" | "block-device";
  readonly readonly: boolean;
}

/** AF_VSOCK served by the host's kernel. */
export interface Vsock {
  readonly kind: "vsock";
  readonly cid: number;
  /** An open /dev/vhost-vsock that already holds `cid`; the caller keeps ownership. */
  readonly vhostFd: number;
}

/** AF_VSOCK served by another process over vhost-user; needs shared guest memory. */
export interface VhostUserVsock {
  readonly kind: "vhost-user-vsock";
  readonly socketPath: string;
}

/** One byte stream between host and guest (a virtio-serial port with a name). */
export interface SerialChannel {
  readonly kind: "serial-channel";
  readonly name: string;
  /** A listening Unix socket; the caller keeps ownership. */
  readonly listenFd: number;
}

/** A network card backed by a tap device (or a macvtap, which is used the same way). */
export interface Net {
  readonly kind: "net";
  /** As a disk's. */
  readonly id: string;
  /** Its name in the network namespace that the VMM lives in. */
  readonly tap: string;
  readonly mac: string;
  /** The open tap device, one descriptor for each queue, for VMMs that take them; the caller keeps ownership. */
  readonly fds?: readonly number[];
  /** An open /dev/vhost-net for each queue, where the host's kernel is to move the packets. */
  readonly vhostFds?: readonly number[];
}

/** Entropy from the host. */
export interface Rng {
  readonly kind: "rng";
  /** File that it is read from, such as /dev/urandom. */
  readonly source: string;
}

/** Gives memory that the guest does not use back to the host. */
export interface Balloon {
  readonly kind: "balloon";
}

/** Where the guest finds a device that was plugged into the running VM. */
export type GuestLocation =
  | { readonly kind: "scsi"; readonly target: number; readonly lun: number }
  /** Device numbers from the root bus down, as `10/00`. */
  | { readonly kind: "pci"; readonly path: string }
  /** The block device's name, as `vdb`, where the guest's bus has no numbers. */
  | { readonly kind: "mmio"; readonly name: string };
