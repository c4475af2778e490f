import { type Connection } from "../../../common/protocol/transport/connection.ts";
import { type Dialer } from "../../../common/protocol/transport/dialer.ts";

/** One transport with both ends in this process. */
export interface Fixture extends AsyncDisposable {
  readonly dialer: Dialer;
  /** Another host's dialer, for when the first is gone. */
  openDialer(): Dialer;
  /** The guest begins to listen. */
  listen(port: number): AsyncIterable<Connection>;
  /** The guest, or its VMM, vanishes; afterwards a new one is in its place, and listens nowhere. */
  restartGuest(): Promise<void>;
  /**
   * The guest vanishes, and in its place is one that answers whatever it hears with these bytes, below the handshake;
   * none for kernel vsock.
   */
  readonly hostileGuest: ((bytes: Uint8Array) => Promise<void>) | undefined;
  /** A host-side connection below the handshake, to send bytes that no honest host sends; none for kernel vsock. */
  readonly rawHost: (() => Promise<Connection>) | undefined;
}

/** A transport the suite runs over. */
export interface Transport {
  readonly name: string;
  /** Why it cannot be tried on this machine. */
  readonly missing?: string | undefined;
  start(): Promise<Fixture>;
}
