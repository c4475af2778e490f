import { messageOf } from "../../../common/base/errors.ts";
import { log } from "../../../common/base/log.ts";
import { FdStream } from "../../../common/linux/fd_stream.ts";
import { accept, unixListen } from "../../../common/linux/socket.ts";
import { close } from "../../../common/linux/fd.ts";
import { SPARES } from "../../sandbox/paths.ts";
import type { StartReport } from "../server_process.ts";
import { type Claim, CLAIMED, MAX_CLAIM_BYTES, parseClaim } from "./claim.ts";

/** How long who asks may take to say what for, in milliseconds. */
const CLAIM_MS = 1_000;

/** A claim, and by what whoever made it is answered. */
export interface Claimed {
  readonly claim: Claim;
  readonly report: StartReport;
}

/**
 * Waits for somebody who wants a shim that is ready. The first who asks properly is the only one: the socket is gone
 * before he is answered.
 * @param view What this process sees of the host, by which it is found.
 * @param key The spare VM's.
 * @throws The signal's reason.
 */
export async function handOut(view: string, key: string, signal: AbortSignal): Promise<Claimed> {
  const path = `${SPARES}/${view}.${key}.sock`;
  const listener = unixListen(path);
  try {
    for (;;) {
      const connection = new FdStream(await accept(listener, signal));
      const claim = await readClaim(connection);
      if (claim) return { claim, report: reportTo(connection) };
      connection.close();
    }
  } finally {
    Deno.removeSync(path);
    close(listener);
  }
}

async function readClaim(connection: FdStream): Promise<Claim | undefined> {
  try {
    return parseClaim(await readAll(connection, AbortSignal.timeout(CLAIM_MS)));
  } catch (error) {
    log.warn("Somebody asked for a spare VM in vain", { reason: messageOf(error) });
    return undefined;
  }
}

async function readAll(connection: FdStream, signal: AbortSignal): Promise<string> {
  const parts: string[] = [], decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  let length = 0;
  for (;;) {
    const count = await connection.read(buffer, signal);
    if (count === null) return parts.join("");
    if ((length += count) > MAX_CLAIM_BYTES) throw new RangeError("The claim is too long");
    parts.push(decoder.decode(buffer.subarray(0, count), { stream: true }));
  }
}

/** Whoever asked may have lost patience, and started another shim: that is the engine's then, and this one ends unused. */
function reportTo(connection: FdStream): StartReport {
  const answer = (text: string): void => {
    connection.write(new TextEncoder().encode(text)).then(
      () => connection.close(),
      (error) => log.warn("Nobody waits for this shim", { reason: messageOf(error) }),
    );
  };
  return { ready: () => answer(`${CLAIMED} ${Deno.pid}`), failed: answer };
}
