/** Look-ups of the guest's programs that a name server on the host answers. */
import { type DatagramPeer, UdpSocket } from "../../common/linux/udp.ts";
import {
  closeQuietly,
  type Connection,
  writeAll,
} from "../../common/protocol/transport/connection.ts";
import {
  isMessage,
  MAX_MESSAGE_BYTES,
  NAMES_PORT,
  readMessage,
  writeMessage,
} from "../../common/protocol/transport/names.ts";

/** Most questions without an answer; older ones are forgotten. */
const MAX_OPEN = 1024;
const IDS = 65_536;

interface Question {
  readonly peer: DatagramPeer;
  readonly id: number;
}

function idView(message: Uint8Array): DataView {
  return new DataView(message.buffer, message.byteOffset, 2);
}

/** Who asked what. Programs choose the ids of their questions; on the way each has one of its own. */
export class Questions {
  readonly #open = new Map<number, Question>();
  #last = 0;

  /** Notes a question and gives it the id that its answer will have. */
  note(message: Uint8Array, peer: DatagramPeer): void {
    const view = idView(message);
    this.#last = (this.#last + 1) % IDS;
    this.#open.set(this.#last, { peer, id: view.getUint16(0, false) });
    view.setUint16(0, this.#last, false);
    const [oldest] = this.#open.keys();
    if (this.#open.size > MAX_OPEN && oldest !== undefined) this.#open.delete(oldest);
  }

  /** Gives an answer the id of its question. @returns Who asked; `undefined`: nobody did. */
  settle(message: Uint8Array): DatagramPeer | undefined {
    const view = idView(message), id = view.getUint16(0, false);
    const question = this.#open.get(id);
    this.#open.delete(id);
    if (question) view.setUint16(0, question.id, false);
    return question?.peer;
  }
}

/**
 * Listens where programs look for the name server, and asks the host, until the connection ends.
 * @throws {SyscallError} EADDRINUSE: a program of the guest has the port; nothing has been answered then.
 */
export async function serveNames(
  connection: Connection,
  address: Uint8Array,
  port = NAMES_PORT,
): Promise<void> {
  using socket = UdpSocket.bind(address, port);
  const over = new AbortController(), open = new Questions();
  await writeAll(connection, new TextEncoder().encode("OK\n"));
  const both = [ask(socket, connection, open, over.signal), answer(socket, connection, open)];
  await Promise.race(both).catch(() => {}); // the host has left: so ends this
  over.abort();
  closeQuietly(connection);
  await Promise.allSettled(both);
}

async function ask(
  socket: UdpSocket,
  connection: Connection,
  open: Questions,
  signal: AbortSignal,
): Promise<void> {
  const buffer = new Uint8Array(MAX_MESSAGE_BYTES);
  while (true) {
    const { length, peer } = await socket.receive(buffer, signal);
    const message = buffer.subarray(0, length);
    if (!isMessage(message)) continue;
    open.note(message, peer);
    await writeMessage(connection, message);
  }
}

async function answer(socket: UdpSocket, connection: Connection, open: Questions): Promise<void> {
  for (
    let message = await readMessage(connection);
    message;
    message = await readMessage(connection)
  ) {
    const peer = isMessage(message) ? open.settle(message) : undefined;
    if (peer) socket.send(message, peer);
  }
}
