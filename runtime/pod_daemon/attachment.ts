import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { close } from "../../common/linux/fd.ts";
import { receiveFd, sendFd } from "../../common/linux/fd_passing.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { unixConnect } from "../../common/linux/socket.ts";

/** Names the process that an attachment is for; an empty exec id means the container's init. */
export interface AttachmentKey {
  readonly containerId: string;
  readonly execId: string;
}

/** What the command line brings along for a process: its relay and its streams. Descriptors are the holder's to close. */
export interface Attachment extends AttachmentKey {
  /** The relay's pid. */
  readonly pid: number;
  /** Whether `stdin` is a terminal that carries all three streams; the others are /dev/null then. */
  readonly terminal: boolean;
  /** The server's end of the relay's socket. */
  readonly channel: number;
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

/** The order in which descriptors travel. */
const DESCRIPTORS = ["channel", "stdin", "stdout", "stderr"] as const;

/** Longest description, in bytes; ids have at most 76 characters. */
const MAX_BYTES = 4096;

/** What the daemon answers once it has all. */
const TAKEN = "taken";

async function readAll(stream: FdStream, signal: AbortSignal): Promise<string> {
  const buffer = new Uint8Array(MAX_BYTES);
  let length = 0;
  for (;;) {
    const count = await stream.read(buffer.subarray(length), signal);
    if (count === null || count === 0) break;
    length += count;
  }
  return new TextDecoder().decode(buffer.subarray(0, length));
}

/**
 * Hands a process's relay and streams to the pod's daemon, which has its own copies afterwards.
 * @throws {RuntimeError} Unavailable: the daemon is gone or refused.
 */
export async function sendAttachment(
  socket: string,
  attachment: Attachment,
  signal: AbortSignal,
): Promise<void> {
  using stream = new FdStream(unixConnect(socket));
  for (const name of DESCRIPTORS) sendFd(stream.fd, attachment[name]);
  const { containerId, execId, pid, terminal } = attachment;
  const text = JSON.stringify({ containerId, execId, pid, terminal });
  await stream.write(new TextEncoder().encode(text));
  await stream.closeWrite();
  const said = await readAll(stream, signal);
  if (said === TAKEN) return;
  throw new RuntimeError(
    Code.Unavailable,
    `The pod's daemon took no streams: ${said || "it ended"}`,
  );
}

/**
 * Takes what {@linkcode sendAttachment} sends over an accepted connection, which it closes.
 * @param take Keeps the attachment; what it throws is told to the sender.
 */
export async function receiveAttachment(
  connection: number,
  take: (attachment: Attachment) => void,
  signal: AbortSignal,
): Promise<void> {
  using stream = new FdStream(connection);
  using undo = new DisposableStack();
  const received: number[] = [];
  for (const _ of DESCRIPTORS) {
    const fd = await receiveFd(stream.fd, signal);
    undo.defer(() => close(fd));
    received.push(fd);
  }
  const [channel = -1, stdin = -1, stdout = -1, stderr = -1] = received;
  try {
    const named = parseNamed(await readAll(stream, signal));
    take({ ...named, channel, stdin, stdout, stderr });
    undo.move();
    await stream.write(new TextEncoder().encode(TAKEN));
  } catch (error) {
    await stream.write(new TextEncoder().encode(messageOf(error)));
  }
}

function parseNamed(text: string): AttachmentKey & { pid: number; terminal: boolean } {
  const { containerId, execId, pid, terminal } = JSON.parse(text);
  const valid = typeof containerId === "string" && typeof execId === "string" &&
    Number.isSafeInteger(pid) && pid > 1 && typeof terminal === "boolean";
  if (valid) return { containerId, execId, pid, terminal };
  throw new RuntimeError(Code.InvalidArgument, "Cannot parse the description of a process");
}
