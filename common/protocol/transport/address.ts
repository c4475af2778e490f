/** Where a guest listens, as the hypervisor's driver reports it. */
export type GuestAddress =
  /** The kernel's own vsock. */
  | { readonly kind: "vsock"; readonly cid: number }
  /** A Unix socket that the VMM bridges to the guest's vsock, as Firecracker does. */
  | { readonly kind: "hybrid-vsock"; readonly path: string }
  /** A Unix socket that is the host's end of a virtio-serial port. */
  | { readonly kind: "serial"; readonly path: string };

/** Ports on which the agent listens. Source: Kata Containers' agent, for the first three. */
export const AGENT_PORT = 1024;
/** The agent's log, as lines. */
export const LOG_PORT = 1025;
/** A shell in the guest, when configuration allows it. */
export const DEBUG_CONSOLE_PORT = 1026;
/** Standard streams of processes. */
export const STREAM_PORT = 1027;

/** Name of the virtio-serial port that carries {@linkcode GuestAddress} of kind "serial". */
export const SERIAL_PORT_NAME = "agent.channel.0";

/** How messages name an address. */
export function addressText(address: GuestAddress): string {
  return address.kind === "vsock" ? `vsock ${address.cid}` : `${address.kind} ${address.path}`;
}
