/** Puts the services on the wire. */

import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { AgentService } from "../../common/protocol/gen/kata/agent_pb.ts";
import { Health } from "../../common/protocol/gen/kata/health_pb.ts";
import type { Connection } from "../../common/protocol/transport/connection.ts";
import {
  AGENT_PORT,
  DEBUG_CONSOLE_PORT,
  STREAM_PORT,
} from "../../common/protocol/transport/address.ts";
import { FORWARD_PORT } from "../../common/protocol/transport/forward.ts";
import type { GuestListener } from "../../common/protocol/transport/listener.ts";
import { Routes } from "../../common/protocol/ttrpc/service.ts";
import { agentService, healthService } from "./agent_service.ts";
import type { Guest } from "./guest.ts";
import { ProtocolServer } from "./protocols.ts";

/** Serves until the host destroys the sandbox. @throws When the transport breaks. */
export async function serveGuest(
  guest: Guest,
  listener: GuestListener,
  debugConsole = false,
): Promise<void> {
  const routes = new Routes().add(AgentService, agentService(guest)).add(Health, healthService());
  const server = new ProtocolServer(routes);
  const done = new AbortController();
  const sessions = new Set<Promise<unknown>>();
  const calls = forEach(listener.listen(AGENT_PORT), (connection) => {
    const session = server.serve(connection, done.signal).finally(() => sessions.delete(session));
    sessions.add(session);
  });
  const streams = forEach(listener.listen(STREAM_PORT), (connection) => {
    guest.pod.streams.accept(connection);
  });
  const forwards = forEach(listener.listen(FORWARD_PORT), (connection) => {
    void import("../network/forward.ts").then(({ serveForward }) => serveForward(connection));
  });
  const consoles = debugConsole ? serveConsoles(listener) : guest.destroyed;
  announce(guest);
  await Promise.race([guest.destroyed, calls, streams, forwards, consoles]);
  done.abort();
  await Promise.all(sessions); // the answer to DestroySandbox is on its way
  listener.close();
}

/** Offers a root shell on a port of its own. */
async function serveConsoles(listener: GuestListener): Promise<void> {
  const { serveConsole } = await import("./debug_console.ts");
  await forEach(listener.listen(DEBUG_CONSOLE_PORT), (connection) => {
    serveConsole(connection).catch((error) => {
      log.warn("a debug console ended", { error: messageOf(error) });
    });
  });
}

async function forEach(
  connections: AsyncIterable<Connection>,
  take: (connection: Connection) => void,
): Promise<void> {
  for await (const connection of connections) take(connection);
  throw new Error("The transport to the host ended");
}

/** One line that tells where the time of the start went, in milliseconds since the kernel's start. */
function announce({ timeline }: Guest): void {
  timeline.mark("ready");
  const steps = timeline.steps.map(({ name, atMs }) => [name, Math.round(atMs)] as const);
  log.info("agent is ready", Object.fromEntries(steps));
}
