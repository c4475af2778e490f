import { addressText, type GuestAddress } from "./address.ts";
import { type Connection } from "./connection.ts";

/** Opens connections to ports of one guest. */
export interface Dialer {
  /**
   * Connects to `port`, waiting until the guest listens there.
   * @throws {RuntimeError} `signal` aborted first, or Unavailable when the way to the guest is unusable.
   */
  dial(port: number, signal: AbortSignal): Promise<Connection>;
  /** Gives up the way to the guest. Connections that share one channel end with it. */
  close(): void;
}

/** The way to a guest. Only the module for its kind is loaded. */
export async function openDialer(address: GuestAddress): Promise<Dialer> {
  switch (address.kind) {
    case "vsock":
      return new (await import("./vsock_dialer.ts")).VsockDialer(address.cid);
    case "hybrid-vsock":
      return new (await import("./hybrid_vsock_dialer.ts")).HybridVsockDialer(address.path);
    case "serial":
      return new (await import("./serial/dialer.ts")).SerialDialer(address.path);
    default:
      throw new TypeError(`Unknown address ${addressText(address)}`);
  }
}
