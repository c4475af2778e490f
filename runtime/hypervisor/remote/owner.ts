import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { FdStream } from "../../../common/linux/fd_stream.ts";
import { unixConnect } from "../../../common/linux/socket.ts";
import { Hypervisor, Machine } from "../../../common/protocol/gen/kata/hypervisor_pb.ts";
import { TtrpcClient } from "../../../common/protocol/ttrpc/client.ts";
import { type Client, createClient } from "../../../common/protocol/ttrpc/service.ts";
import { INTERFACE_VERSION, type RemoteOptions } from "./options.ts";

/** A connection to the program that owns the VMs. */
export interface Owner extends Disposable {
  readonly hypervisor: Client<typeof Hypervisor>;
  readonly machine: Client<typeof Machine>;
  /** Resolves, never rejects, when the connection has ended. */
  readonly closed: Promise<unknown>;
}

/** How long a program on this host may take to say which interface it speaks, in milliseconds. */
const VERSION_MS = 1500;

/**
 * Connects, and makes sure that the program speaks this interface.
 * @throws {RuntimeError} Unavailable: nobody listens. FailedPrecondition: it speaks another interface. Both name the key.
 */
export async function connectOwner(
  { socket, timeoutMs }: RemoteOptions,
  signal: AbortSignal,
): Promise<Owner> {
  const client = new TtrpcClient(connect(socket));
  const owner: Owner = {
    hypervisor: createClient(Hypervisor, client, { timeoutMs }),
    machine: createClient(Machine, client, { timeoutMs }),
    closed: client.closed,
    [Symbol.dispose]: () => client.close(),
  };
  try {
    await requireInterface(owner, socket, signal);
    return owner;
  } catch (error) {
    client.close();
    throw error;
  }
}

function connect(socket: string): FdStream {
  try {
    return new FdStream(unixConnect(socket));
  } catch (error) {
    throw failed(Code.Unavailable, socket, `nobody can be reached there: ${messageOf(error)}`);
  }
}

async function requireInterface(
  { hypervisor }: Owner,
  socket: string,
  signal: AbortSignal,
): Promise<void> {
  const ours = { version: INTERFACE_VERSION };
  const { version } = await hypervisor.version(ours, { timeoutMs: VERSION_MS, signal }).catch(
    (cause) => {
      signal.throwIfAborted();
      throw failed(Code.Unavailable, socket, `it does not answer: ${messageOf(cause)}`);
    },
  );
  if (majorOf(version) === majorOf(INTERFACE_VERSION)) return;
  const shown = JSON.stringify(version.slice(0, 40));
  const problem = `its interface ${shown} is too old or too new: ${INTERFACE_VERSION} is needed`;
  throw failed(Code.FailedPrecondition, socket, problem);
}

function majorOf(version: string): string | undefined {
  return /^(\d{1,4})\./.exec(version)?.[1];
}

function failed(code: Code, socket: string, problem: string): RuntimeError {
  return new RuntimeError(code, `hypervisor_socket = ${JSON.stringify(socket)}: ${problem}`);
}
