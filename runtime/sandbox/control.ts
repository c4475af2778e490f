import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { copy } from "../../common/linux/copy.ts";
import { AGENT_PORT, DEBUG_CONSOLE_PORT } from "../../common/protocol/transport/address.ts";
import {
  closeQuietly,
  type Connection,
  writeAll,
} from "../../common/protocol/transport/connection.ts";
import { readLine } from "../../common/protocol/transport/handshake.ts";
import { vmmMetrics } from "../metrics/vmm_metrics.ts";
import { parseResizeLine, resizeVolume, type VolumeSize } from "./resize_volume.ts";
import type { Sandbox } from "./sandbox.ts";

/** Longest time for an operator's line to arrive, and for the guest to answer, in milliseconds. */
const LINE_MS = 5_000, GUEST_MS = 10_000;

/** Longest line: the name of a volume that is noted in a file's name, percent-encoded. */
const MAX_LINE_BYTES = 1024;

/** Operators at a time; each may keep a connection open. */
const MAX_CONNECTIONS = 64;

/** The socket by which operators reach a running sandbox. */
export function controlSocket(folder: string): string {
  return `${folder}/operator`;
}

/** The first line of an answer that something was done; what follows is the answer. */
export const CONTROL_OK = "OK";

const encoder = new TextEncoder();

/** Begins to serve operators, root alone. @returns Ends it. */
export function serveControl(sandbox: Sandbox, folder: string): Disposable {
  const mask = Deno.umask(0o177);
  let listener: Deno.UnixListener;
  try {
    listener = Deno.listen({ transport: "unix", path: controlSocket(folder) });
  } finally {
    Deno.umask(mask);
  }
  const connections = new Set<Deno.UnixConn>();
  void acceptAll(listener, sandbox, connections);
  return {
    [Symbol.dispose]: () => {
      listener.close();
      for (const connection of connections) closeQuietly(connection);
    },
  };
}

async function acceptAll(
  listener: Deno.UnixListener,
  sandbox: Sandbox,
  connections: Set<Deno.UnixConn>,
): Promise<void> {
  for await (const connection of listener) {
    if (connections.size >= MAX_CONNECTIONS) {
      closeQuietly(connection);
      continue;
    }
    connections.add(connection);
    serveOne(sandbox, connection).catch((error) =>
      log.debug("An operator's connection failed", { reason: messageOf(error) })
    ).finally(() => {
      connections.delete(connection);
      closeQuietly(connection);
    });
  }
}

/** Reads the word that says what is wanted, in bounded time. */
async function readWord(connection: Deno.UnixConn): Promise<string | undefined> {
  const timer = setTimeout(() => closeQuietly(connection), LINE_MS);
  try {
    return await readLine(connection, MAX_LINE_BYTES);
  } finally {
    clearTimeout(timer);
  }
}

async function serveOne(sandbox: Sandbox, connection: Deno.UnixConn): Promise<void> {
  const word = await readWord(connection);
  try {
    if (word === "console") return await serveConsole(sandbox, connection);
    if (word === "agent") return await serveGuestPort(sandbox, connection, AGENT_PORT);
    if (word === "metrics") return await answer(connection, await metrics(sandbox));
    const resize = parseResizeLine(word ?? "");
    if (resize) return await serveResize(sandbox, connection, resize);
    throw new RuntimeError(Code.InvalidArgument, `Unknown word ${JSON.stringify(word)}`);
  } catch (error) {
    await writeAll(connection, encoder.encode(`${messageOf(error).replaceAll("\n", " ")}\n`));
  }
}

async function answer(connection: Connection, text: string): Promise<void> {
  await writeAll(connection, encoder.encode(`${CONTROL_OK}\n${text}`));
}

async function metrics(sandbox: Sandbox): Promise<string> {
  const { link } = await sandbox.guest;
  const counters = await sandbox.vm.counters?.(AbortSignal.timeout(GUEST_MS)) ?? {};
  const { metrics } = await link.agent.getMetrics({}, { timeoutMs: GUEST_MS });
  return vmmMetrics(counters) + metrics;
}

/** That it is being done, at once; then, how it went: whether the sandbox uses the volume, or a sentence why not. */
async function serveResize(
  sandbox: Sandbox,
  connection: Connection,
  size: VolumeSize,
): Promise<void> {
  await answer(connection, "");
  await writeAll(connection, encoder.encode(String(await resizeVolume(sandbox, size))));
}

/** A root shell in the guest. It is the administrator's to allow. */
async function serveConsole(sandbox: Sandbox, connection: Connection): Promise<void> {
  if (!sandbox.config.agent.debugConsoleEnabled) {
    throw new RuntimeError(
      Code.PermissionDenied,
      "debug_console_enabled in [agent.kata] was not set when the sandbox started",
    );
  }
  await serveGuestPort(sandbox, connection, DEBUG_CONSOLE_PORT);
}

/** Carries bytes between an operator and a port of the guest until either side ends. */
async function serveGuestPort(
  sandbox: Sandbox,
  connection: Connection,
  port: number,
): Promise<void> {
  const { link } = await sandbox.guest;
  const guest = await link.dial(port, AbortSignal.timeout(GUEST_MS));
  try {
    await answer(connection, "");
    await Promise.race([copy(connection, sinkOf(guest)), copy(guest, sinkOf(connection))]);
  } finally {
    closeQuietly(guest);
  }
}

function sinkOf(connection: Connection): { write(bytes: Uint8Array): Promise<number> } {
  return {
    write: async (bytes) => {
      await writeAll(connection, bytes);
      return bytes.length;
    },
  };
}
