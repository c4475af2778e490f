import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { close, O, open } from "../../../common/linux/fd.ts";
import type { VmTemplate } from "../hypervisor.ts";
import type { QmpClient, QmpCommand, QmpOpening } from "./qmp.ts";

/** How long the state may take to be written; it is 0.3 MB. */
const SAVE_MS = 20_000;
const LIBRARY = "kata-private-ram.so";

/** Memory stays where it is: in the file that origin and clones map. */
const IGNORE_SHARED: QmpCommand = {
  execute: "migrate-set-capabilities",
  arguments: {
    capabilities: [
      { capability: "x-ignore-shared", state: true },
      { capability: "events", state: true },
    ],
  },
};

/** The library of private_ram.c, if it is there: as configured, or beside our own program. */
export function findPrivateRam(configured: string): string | undefined {
  const path = configured || `${Deno.execPath().replace(/\/[^/]*$/, "")}/${LIBRARY}`;
  try {
    return Deno.statSync(path).isFile ? path : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Opens the state that a clone starts from. @throws {SyscallError} ENOENT. */
export function openState({ state }: VmTemplate, owner: DisposableStack): number {
  const fd = open(state, O.RDONLY);
  owner.defer(() => close(fd));
  return fd;
}

/** How a clone begins: it runs when this is over. @param stateFd QEMU's number of the state file. */
export function incoming(stateFd: number): QmpOpening {
  const load = { execute: "migrate-incoming", arguments: { uri: `fd:${stateFd}` } };
  return { commands: [IGNORE_SHARED, load], until: ({ name }) => name === "RESUME" };
}

/** Environment by which a clone leaves its template alone. @throws {RuntimeError} NotFound: no template. */
export function cloneEnvironment(
  { memory }: VmTemplate,
  library: string | undefined,
): Record<string, string> {
  if (library === undefined) return {};
  const { dev, ino } = statMemory(memory);
  return { LD_PRELOAD: library, KATA_PRIVATE_RAM: `${dev} ${ino}` };
}

function statMemory(path: string): Deno.FileInfo {
  try {
    return Deno.statSync(path);
  } catch (error) {
    throw new RuntimeError(Code.NotFound, `Template memory "${path}": ${messageOf(error)}`);
  }
}

/**
 * Writes an origin's state. QEMU 7.2 writes to no file by itself, but to a socket.
 * @param socket A path for it.
 * @throws {RuntimeError} FailedPrecondition, with QEMU's word for it.
 */
export async function saveState(
  qmp: QmpClient,
  file: string,
  socket: string,
  signal: AbortSignal,
): Promise<void> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(SAVE_MS)]);
  const saved = await Deno.open(file, { write: true, createNew: true, mode: 0o600 });
  using listener = Deno.listen({ transport: "unix", path: socket });
  const received = receive(listener, saved);
  received.catch(() => {}); // awaited below, unless QEMU fails first
  try {
    await migrate(qmp, socket, limited);
    await received;
  } finally {
    await Deno.remove(socket);
  }
}

async function receive(listener: Deno.UnixListener, file: Deno.FsFile): Promise<void> {
  const connection = await listener.accept();
  await connection.readable.pipeTo(file.writable);
}

async function migrate(qmp: QmpClient, socket: string, limited: AbortSignal): Promise<void> {
  await qmp.execute(IGNORE_SHARED.execute, IGNORE_SHARED.arguments);
  const over = qmp.nextEvent(
    ({ name, data }) => name === "MIGRATION" && isOver(data.status),
    limited,
  );
  over.catch(() => {}); // the command may fail first
  await qmp.execute("migrate", { uri: `unix:${socket}` });
  const { data } = await over;
  if (data.status === "completed") return;
  throw new RuntimeError(
    Code.FailedPrecondition,
    `Cannot save the VM: QEMU's migration ended as ${JSON.stringify(data.status)}`,
  );
}

function isOver(status: unknown): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}
