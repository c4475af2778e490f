/** Docker's name server answers the guest: it listens at a loopback address of the pod's namespace on the host. */
import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { parseIp } from "../../common/linux/ip_address.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import { UdpSocket } from "../../common/linux/udp.ts";
import {
  closeQuietly,
  type Connection,
  writeAll,
} from "../../common/protocol/transport/connection.ts";
import { FORWARD_PORT, readForwardLine } from "../../common/protocol/transport/forward.ts";
import {
  isMessage,
  MAX_MESSAGE_BYTES,
  NAMES_PORT,
  namesLine,
  readMessage,
  writeMessage,
} from "../../common/protocol/transport/names.ts";
import type { NetworkNamespace } from "./namespace.ts";
import type { GuestDialer } from "./port_forward.ts";

/** Where Docker's embedded server listens; its port is another, to which a rule of Docker's leads. */
const SERVER = "127.0.0.11";
/** The same as the kernel lists local addresses of sockets. Source: proc(5), /proc/net/udp. */
const LISTED = /^\s*\d+: 0B00007F:/m;
const SOCKETS = "/proc/thread-self/net/udp";
/** How long the guest may take until it listens, in milliseconds. */
const ANSWER_MS = 20_000;

function serves(namespace: NetworkNamespace): boolean {
  return LISTED.test(namespace.inside(() => Deno.readTextFileSync(SOCKETS)));
}

/** Carries the guest's look-ups, once there is somebody who answers them. */
export class NameRelay {
  readonly #namespace: NetworkNamespace;
  readonly #guest: GuestDialer;
  readonly #signal: AbortSignal;
  /** Since a look has begun that found a server, or may yet. */
  #begun: Promise<void> | undefined;

  /** @param signal Ends it. */
  constructor(namespace: NetworkNamespace, guest: GuestDialer, signal: AbortSignal) {
    this.#namespace = namespace;
    this.#guest = guest;
    this.#signal = signal;
  }

  /**
   * Looks whether the namespace has a name server now. Once this resolves, the guest's programs reach it. A guest that
   * cannot do it is no reason to do without the pod.
   */
  look(): Promise<void> {
    return this.#begun ??= this.#tryIt().then((runs) => {
      if (!runs) this.#begun = undefined;
    });
  }

  async #tryIt(): Promise<boolean> {
    try {
      if (!serves(this.#namespace)) return false;
      await this.#begin();
      return true;
    } catch (error) {
      log.warn("The guest cannot ask Docker's name server", { reason: messageOf(error) });
      return false;
    }
  }

  async #begin(): Promise<void> {
    using undo = new DisposableStack();
    const address = addressOf(SERVER);
    const socket = undo.use(
      this.#namespace.inside(() => UdpSocket.connect(address, NAMES_PORT)),
    );
    const connection = await listenInGuest(this.#guest, this.#signal);
    undo.move();
    void carry(connection, socket, this.#signal).finally(() => this.#begun = undefined);
  }
}

/** Until either side or the signal ends it. Never throws. */
async function carry(
  connection: Connection,
  socket: UdpSocket,
  signal: AbortSignal,
): Promise<void> {
  using _socket = socket;
  const over = new AbortController();
  const both = [
    ask(connection, socket),
    answer(socket, connection, AbortSignal.any([signal, over.signal])),
  ];
  await Promise.race(both).catch((error) => {
    log.debug("Look-ups of the guest ended", { reason: messageOf(error) });
  });
  over.abort();
  closeQuietly(connection);
  await Promise.allSettled(both);
}

function addressOf(text: string): Uint8Array {
  const bytes = parseIp(text);
  if (bytes) return bytes;
  throw new TypeError(`${text} is no address`);
}

/** @throws {Error} With the guest's words. @throws The signal's reason. */
async function listenInGuest(guest: GuestDialer, signal: AbortSignal): Promise<Connection> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  const connection = await guest.dial(FORWARD_PORT, limited);
  const end = (): void => closeQuietly(connection);
  limited.addEventListener("abort", end);
  let line: string | undefined;
  try {
    await writeAll(connection, new TextEncoder().encode(namesLine(SERVER)));
    line = await readForwardLine(connection);
  } finally {
    limited.removeEventListener("abort", end);
    if (line !== "OK") closeQuietly(connection);
  }
  if (line === "OK") return connection;
  throw new Error(line === undefined ? "it does not answer" : line);
}

async function ask(connection: Connection, socket: UdpSocket): Promise<void> {
  for (
    let message = await readMessage(connection);
    message;
    message = await readMessage(connection)
  ) {
    const question = message;
    if (isMessage(question)) unlessRefused(() => socket.send(question));
  }
}

/** That nobody listens at the moment is told of the datagram before: Docker's server may come back. */
function unlessRefused(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isErrno(error, "ECONNREFUSED")) throw error;
  }
}

async function answer(
  socket: UdpSocket,
  connection: Connection,
  signal: AbortSignal,
): Promise<void> {
  const buffer = new Uint8Array(MAX_MESSAGE_BYTES);
  while (true) {
    const length = await socket.receive(buffer, signal).then(({ length }) => length, (error) => {
      if (isErrno(error, "ECONNREFUSED")) return 0;
      throw error;
    });
    const message = buffer.subarray(0, length);
    if (isMessage(message)) await writeMessage(connection, message);
  }
}
