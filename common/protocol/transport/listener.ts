import { type Connection } from "./connection.ts";

/** Accepts connections that the host dials. */
export interface GuestListener {
  /**
   * Connections to `port`, from now until {@linkcode GuestListener.close}. Take them with one
   * `for await` loop; leaving the loop stops listening where the transport can.
   * @throws {Error} The port is taken.
   */
  listen(port: number): AsyncIterable<Connection>;
  /** Stops listening on every port. */
  close(): void;
}

/** How the host reaches this guest, as far as the guest can tell. */
export type GuestChannel =
  | { readonly kind: "vsock" }
  /** The virtio-serial port at this device path, such as /dev/vport0p1. */
  | { readonly kind: "serial"; readonly path: string };

/** Listens in the guest. Only the module for the channel's kind is loaded. */
export async function listenGuest(channel: GuestChannel): Promise<GuestListener> {
  if (channel.kind === "vsock") return new (await import("./vsock_listener.ts")).VsockListener();
  return (await import("./serial/port.ts")).listenSerial(channel.path);
}
