import { SPARES } from "../../sandbox/paths.ts";
import { type Claim, CLAIMED, MAX_CLAIM_BYTES } from "./claim.ts";

/** How long a waiting shim may take to become this one, in milliseconds: it has no more to do than to listen. */
const TAKE_OVER_MS = 5_000;
const MAX_ANSWER_BYTES = 4096;

/**
 * Asks the shims that wait, one after the other, to become the one that is to be started.
 * @param view Only those of the same view are asked.
 * @returns The pid of the one that has: it listens. `undefined` when there is none, for whatever reason.
 */
export async function askSpares(view: () => Promise<string>, claim: () => Claim): Promise<
  number | undefined
> {
  const sockets = socketsOf(SPARES);
  if (sockets.length === 0) return undefined; // as almost always: then nothing else is to be found out
  const text = JSON.stringify(claim());
  if (text.length > MAX_CLAIM_BYTES) return undefined;
  const prefix = `${await view()}.`;
  for (const name of sockets.filter((name) => name.startsWith(prefix))) {
    const pid = await ask(`${SPARES}/${name}`, text);
    if (pid !== undefined) return pid;
  }
  return undefined;
}

function socketsOf(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
      name.endsWith(".sock")
    );
  } catch {
    return []; // there is no pool, or none that we may look into: neither must fail a start
  }
}

/** Nobody there, taken by another or not able to: the next one is asked, or a shim is started as ever. */
async function ask(path: string, claim: string): Promise<number | undefined> {
  const timer = new AbortController();
  try {
    using connection = await Deno.connect({ transport: "unix", path });
    const late = setTimeout(() => connection.close(), TAKE_OVER_MS);
    timer.signal.addEventListener("abort", () => clearTimeout(late));
    await writeAll(connection, new TextEncoder().encode(claim));
    await connection.closeWrite();
    const [word, pid] = (await readAll(connection)).split(" ");
    return word === CLAIMED ? Number(pid) : undefined;
  } catch {
    return undefined;
  } finally {
    timer.abort();
  }
}

async function writeAll(connection: Deno.UnixConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

async function readAll(connection: Deno.UnixConn): Promise<string> {
  const buffer = new Uint8Array(MAX_ANSWER_BYTES);
  let length = 0;
  while (length < buffer.length) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  return new TextDecoder().decode(buffer.subarray(0, length));
}
