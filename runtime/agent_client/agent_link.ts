import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { AgentService } from "../../common/protocol/gen/kata/agent_pb.ts";
import { TtrpcClient } from "../../common/protocol/ttrpc/client.ts";
import { type Client, createClient } from "../../common/protocol/ttrpc/service.ts";
import {
  AGENT_PORT,
  type GuestAddress,
  STREAM_PORT,
} from "../../common/protocol/transport/address.ts";
import { type Connection, writeAll } from "../../common/protocol/transport/connection.ts";
import { type Dialer, openDialer } from "../../common/protocol/transport/dialer.ts";
import { readLine } from "../../common/protocol/transport/handshake.ts";

/** Longest wait for an answer that the guest has no reason to delay, in milliseconds. */
export const CALL_TIMEOUT_MS = 60_000;

/** The agent offers connections of their own for stdio. */
export const STREAMS_FEATURE = "kata-deno/stdio-streams";

/** The agent lists, as diagnostic data of this name, the pids of processes that no call started. */
export const PROCESS_LIST_FEATURE = "kata-deno/process-list";

/** The host's end of everything between shim and agent of one VM. */
export interface AgentLink extends Disposable {
  readonly agent: Client<typeof AgentService>;
  /** Resolves when the agent can no longer be reached, with the reason. */
  readonly lost: Promise<string>;
  /** Opens the connection that a later request names by its number. */
  openStream(number: number, signal: AbortSignal): Promise<Connection>;
  /** Opens a connection to any port on which the guest listens. */
  dial(port: number, signal: AbortSignal): Promise<Connection>;
}

async function openStream(
  dialer: Dialer,
  number: number,
  signal: AbortSignal,
): Promise<Connection> {
  const connection = await dialer.dial(STREAM_PORT, signal);
  try {
    await writeAll(connection, new TextEncoder().encode(`STREAM ${number}\n`));
    const answer = await readLine(connection);
    if (answer !== "OK") {
      throw new RuntimeError(
        Code.Unavailable,
        `it answered ${JSON.stringify(answer)}`,
      );
    }
    return connection;
  } catch (cause) {
    connection.close();
    throw new RuntimeError(
      Code.Unavailable,
      `Cannot open stream ${number} to the agent`,
      { cause },
    );
  }
}

/**
 * Waits until the agent listens and connects to it.
 * @throws {RuntimeError} Unavailable, or whatever aborted the signal.
 */
export async function connectAgent(
  address: GuestAddress,
  signal: AbortSignal,
): Promise<AgentLink> {
  const dialer = await openDialer(address);
  try {
    const client = new TtrpcClient(await dialer.dial(AGENT_PORT, signal));
    return {
      agent: createClient(AgentService, client, { timeoutMs: CALL_TIMEOUT_MS }),
      lost: client.closed.then((error) =>
        error ? messageOf(error) : "the agent closed the connection"
      ),
      openStream: (number, signal) => openStream(dialer, number, signal),
      dial: (port, signal) => dialer.dial(port, signal),
      [Symbol.dispose]: () => {
        client.close();
        dialer.close();
      },
    };
  } catch (error) {
    dialer.close();
    throw error;
  }
}
