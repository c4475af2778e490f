import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { close } from "../../common/linux/fd.ts";
import { accept, unixListen } from "../../common/linux/socket.ts";
import { type Attachment, type AttachmentKey, receiveAttachment } from "./attachment.ts";

/** Longest time for one attachment to arrive, in milliseconds: it is sent at once. */
const RECEIVE_MS = 10_000;

/** Processes that are made at a time, at most; each holds four descriptors. */
const MAX_WAITING = 1024;

function nameOf({ containerId, execId }: AttachmentKey): string {
  return `${containerId}/${execId}`;
}

/** What the command line has brought along for processes that are about to be made. */
export class Attachments implements Disposable {
  readonly #waiting = new Map<string, Attachment>();
  readonly #closing = new AbortController();
  readonly #listener: number;

  /** Listens at a path. @throws {SyscallError} EADDRINUSE. */
  constructor(path: string) {
    this.#listener = unixListen(path);
    void this.#serve();
  }

  /** Takes an attachment out, to be used up. @throws {RuntimeError} FailedPrecondition: nobody has brought it. */
  take(key: AttachmentKey): Attachment {
    const name = nameOf(key), attachment = this.#waiting.get(name);
    this.#waiting.delete(name);
    if (attachment) return attachment;
    throw new RuntimeError(
      Code.FailedPrecondition,
      `Cannot make process "${name}": nobody brought its streams along`,
    );
  }

  /** The pid of a relay that was brought along and not yet taken. */
  pidOf(key: AttachmentKey): number | undefined {
    return this.#waiting.get(nameOf(key))?.pid;
  }

  /** Gives up what a process that was not made would have had. */
  drop(key: AttachmentKey): void {
    const name = nameOf(key), attachment = this.#waiting.get(name);
    this.#waiting.delete(name);
    if (attachment) closeAll(attachment);
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    for (const attachment of this.#waiting.values()) closeAll(attachment);
    this.#waiting.clear();
  }

  #keep(attachment: Attachment): void {
    const name = nameOf(attachment);
    if (this.#waiting.has(name)) {
      throw new RuntimeError(Code.AlreadyExists, `Process "${name}" is being made already`);
    }
    if (this.#waiting.size >= MAX_WAITING) {
      throw new RuntimeError(
        Code.ResourceExhausted,
        `${MAX_WAITING} processes are being made already`,
      );
    }
    this.#waiting.set(name, attachment);
  }

  async #serve(): Promise<void> {
    const { signal } = this.#closing;
    try {
      for (;;) {
        const connection = await accept(this.#listener, signal);
        const limited = AbortSignal.any([signal, AbortSignal.timeout(RECEIVE_MS)]);
        receiveAttachment(connection, (each) => this.#keep(each), limited).catch((error) =>
          log.warn("Cannot take a process's streams", { reason: messageOf(error) })
        );
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      close(this.#listener);
    }
  }
}

function closeAll({ channel, stdin, stdout, stderr }: Attachment): void {
  for (const fd of [channel, stdin, stdout, stderr]) close(fd);
}
