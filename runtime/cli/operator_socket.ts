import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { closeQuietly, writeAll } from "../../common/protocol/transport/connection.ts";
import { readLine } from "../../common/protocol/transport/handshake.ts";
import { CONTROL_OK, controlSocket } from "../sandbox/control.ts";
import { sandboxFolder } from "../sandbox/paths.ts";
import { findSandbox } from "./find_sandbox.ts";

/** Longest wait for the first line of the answer, in milliseconds. */
const ANSWER_MS = 15_000;

/**
 * Asks a running sandbox for something.
 * @param name Of the sandbox, as {@linkcode findSandbox} takes it.
 * @returns The connection, from which the answer is to be read; the caller's to close.
 * @throws {RuntimeError} NotFound; Unavailable: it is not served; or what it answered.
 */
export async function askSandbox(name: string, word: string): Promise<Deno.UnixConn> {
  const { key } = await findSandbox(name);
  let connection: Deno.UnixConn;
  try {
    connection = await Deno.connect({ transport: "unix", path: controlSocket(sandboxFolder(key)) });
  } catch (cause) {
    throw new RuntimeError(
      Code.Unavailable,
      `Cannot reach sandbox "${name}": its guest is not up, or nobody serves it: ${
        messageOf(cause)
      }`,
    );
  }
  const timer = setTimeout(() => closeQuietly(connection), ANSWER_MS);
  try {
    await writeAll(connection, new TextEncoder().encode(`${word}\n`));
    const line = await readLine(connection, MAX_LINE);
    if (line === CONTROL_OK) return connection;
    throw new RuntimeError(Code.Unavailable, `Sandbox "${name}": ${line ?? "it did not answer"}`);
  } catch (error) {
    closeQuietly(connection);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Errors are sentences. */
const MAX_LINE = 4096;
