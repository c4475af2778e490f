import type { Device } from "./device.ts";

/** How the agent inside the guest is reached. */
export const TRANSPORTS = ["vsock", "serial", "hybrid-vsock"] as const;
export type Transport = typeof TRANSPORTS[number];

/** What a VMM can do, as data: whoever plans a sandbox decides from this alone, before anything starts. */
export interface Capabilities {
  readonly transports: readonly Transport[];
  /** Ways to show a host folder to the guest; none means block devices and copied files only. */
  readonly shareFs: readonly ("virtio-9p" | "virtio-fs")[];
  /** What may be plugged into a running VM. */
  readonly hotPlug: readonly Device["kind"][];
  /** Whether a running VM can be given processors and memory. */
  readonly resize: boolean;
  readonly pause: boolean;
  /** Whether a running VM can be saved and cloned. */
  readonly template: boolean;
  readonly maxVcpus: number;
  readonly maxDisks: number;
  readonly maxNets: number;
  /** It keeps to limits of what network cards transfer itself; otherwise the host's kernel does. */
  readonly limitsNets?: boolean;
  /** How it takes a tap device: as open descriptors, or by its name in its own network namespace. */
  readonly tapBy: "descriptor" | "name";
}
