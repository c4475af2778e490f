import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { withDeadline } from "../../../common/base/deadline.ts";
import { sendFd } from "../../../common/linux/fd_passing.ts";
import type { Connection } from "../../../common/protocol/transport/connection.ts";
import {
  LineDecoder,
  parseQmp,
  type QemuVersion,
  type QmpEvent,
  type QmpMessage,
} from "./qmp_message.ts";

/** How long QEMU may take over an ordinary command. */
const COMMAND_MS = 10_000;
/** A connection that is lost more often is not worth having. */
const MAX_RECONNECTS = 3;

/** QEMU refused a command. */
export class QmpError extends RuntimeError {
  constructor(readonly command: string, readonly errorClass: string, text: string) {
    super(Code.FailedPrecondition, `QMP ${command}: ${errorClass}: ${text}`);
  }
}

/** A command as it goes over the wire. */
export interface QmpCommand {
  readonly execute: string;
  readonly arguments?: Record<string, unknown>;
}

/** What happens when a session begins. */
export interface QmpOpening {
  /** Written at once: QEMU reads them as soon as it can. */
  readonly commands?: readonly QmpCommand[];
  /** The event with which the beginning is over. */
  readonly until?: (event: QmpEvent) => boolean;
  /** Connects anew when the connection was lost. @throws QEMU is no more. */
  readonly reopen?: () => MonitorConnection;
}

export interface ExecuteOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** A descriptor that goes with the command; needs a connection that has one itself. */
  readonly fd?: number;
}

/** The way to the monitor; a Unix socket's own descriptor lets others be passed. */
export type MonitorConnection = Connection & { readonly fd?: number };

type Listener = (event: QmpEvent) => void;

/**
 * A client of QEMU's monitor. What QEMU says is bounded and checked: garbage ends the session, never the process. With
 * a way to connect anew, a session that was lost is followed by another; commands without an answer have failed then.
 * Source: QEMU, docs/interop/qmp-spec.rst.
 */
export class QmpClient implements Disposable {
  #connection: MonitorConnection;
  readonly #reopen: (() => MonitorConnection) | undefined;
  readonly #pending = new Map<number, { command: string; answer: PromiseWithResolvers<unknown> }>();
  readonly #listeners = new Set<Listener>();
  readonly #greeting = Promise.withResolvers<QemuVersion>();
  #nextId = 1;
  /** The last command's writing: commands are written one after the other, whole. */
  #sent: Promise<void> = Promise.resolve();
  #failure: RuntimeError | undefined;
  /** Resolves, never rejects, with the cause when the session is over. */
  readonly closed: Promise<RuntimeError>;

  private constructor(connection: MonitorConnection, reopen: QmpOpening["reopen"]) {
    this.#connection = connection;
    this.#reopen = reopen;
    this.#greeting.promise.catch(() => {}); // awaited by open(), which may have given up
    this.closed = this.#follow();
  }

  /**
   * Waits for the greeting and leaves capabilities negotiation. The client owns the connection, also on failure.
   * @param opening Commands behind that, and what to wait for.
   */
  static async open(
    connection: MonitorConnection,
    timeoutMs: number,
    signal?: AbortSignal,
    { commands = [], until, reopen }: QmpOpening = {},
  ): Promise<QmpClient> {
    const client = new QmpClient(connection, reopen);
    try {
      const options = { timeoutMs, ...signal && { signal } };
      const all: QmpCommand[] = [{ execute: "qmp_capabilities" }, ...commands];
      await Promise.all([
        until && client.nextEvent(until, signal ?? AbortSignal.timeout(timeoutMs)),
        withDeadline(client.#greeting.promise, timeoutMs, "Greeting of QEMU's monitor", signal),
        ...all.map((command) => client.execute(command.execute, command.arguments, options)),
      ]);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** QEMU's version, from its greeting. */
  version(): Promise<QemuVersion> {
    return this.#greeting.promise;
  }

  /**
   * Runs a command.
   * @throws {QmpError} QEMU refused. @throws {RuntimeError} Unavailable: the session is over. DeadlineExceeded.
   */
  async execute(
    command: string,
    args: Record<string, unknown> = {},
    options: ExecuteOptions = {},
  ): Promise<unknown> {
    if (this.#failure) throw this.#failure;
    const id = this.#nextId++;
    const answer = Promise.withResolvers<unknown>();
    answer.promise.catch(() => {}); // the deadline below may already have rejected for the caller
    this.#pending.set(id, { command, answer });
    try {
      const exchange = this.#send({ execute: command, arguments: args, id }, options.fd).then(() =>
        answer.promise
      );
      return await withDeadline(
        exchange,
        options.timeoutMs ?? COMMAND_MS,
        `QMP ${command}`,
        options.signal,
      );
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Calls `listener` at each event until the returned function is called. */
  onEvent(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The first event that `matches`. Rejects when the session ends, or by `signal`. */
  async nextEvent(matches: (event: QmpEvent) => boolean, signal: AbortSignal): Promise<QmpEvent> {
    const found = Promise.withResolvers<QmpEvent>();
    const abort = () => found.reject(signal.reason);
    const off = this.onEvent((event) => matches(event) && found.resolve(event));
    signal.addEventListener("abort", abort);
    try {
      signal.throwIfAborted();
      return await Promise.race([
        found.promise,
        this.closed.then((cause) => Promise.reject(cause)),
      ]);
    } finally {
      signal.removeEventListener("abort", abort);
      off();
    }
  }

  close(): void {
    this.#fail(new RuntimeError(Code.Unavailable, "QEMU's monitor was closed"));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send(message: Record<string, unknown>, fd: number | undefined): Promise<void> {
    const sending = this.#sent.then(() => this.#write(message, fd));
    this.#sent = sending.catch(() => {}); // told to whoever sent it
    return sending;
  }

  async #write(message: Record<string, unknown>, fd: number | undefined): Promise<void> {
    let bytes = new TextEncoder().encode(JSON.stringify(message) + "\n");
    if (fd !== undefined) return this.#sendWithFd(bytes, fd);
    while (bytes.length > 0) bytes = bytes.subarray(await this.#connection.write(bytes));
  }

  /** The kernel keeps bytes and descriptor together. */
  #sendWithFd(bytes: Uint8Array, fd: number): void {
    const socket = this.#connection.fd;
    if (socket === undefined) {
      throw new TypeError("This monitor's connection passes no descriptors");
    }
    sendFd(socket, fd, bytes);
  }

  async #follow(): Promise<RuntimeError> {
    for (let left = MAX_RECONNECTS;; left--) {
      const cause = await this.#receive();
      const next = this.#failure || left === 0 ? undefined : this.#reopened();
      if (next === undefined) return this.#fail(cause);
      this.#rejoin(next, cause);
    }
  }

  #reopened(): MonitorConnection | undefined {
    try {
      return this.#reopen?.();
    } catch {
      return undefined; // QEMU is gone: the lost connection says so
    }
  }

  /** Negotiates before anybody else can say a word. */
  #rejoin(next: MonitorConnection, cause: RuntimeError): void {
    this.#connection.close();
    this.#connection = next;
    this.#rejectAll(cause);
    this.execute("qmp_capabilities").catch((error) => this.#fail(asRuntimeError(error)));
  }

  async #receive(): Promise<RuntimeError> {
    const lines = new LineDecoder();
    const buffer = new Uint8Array(16 * 1024);
    try {
      for (
        let n = await this.#connection.read(buffer);
        n !== null;
        n = await this.#connection.read(buffer)
      ) {
        for (const line of lines.push(buffer.subarray(0, n))) this.#dispatch(parseQmp(line));
      }
      return new RuntimeError(Code.Unavailable, "QEMU closed its monitor");
    } catch (error) {
      return new RuntimeError(Code.Unavailable, `QEMU's monitor failed: ${messageOf(error)}`);
    }
  }

  #dispatch(message: QmpMessage): void {
    switch (message.kind) {
      case "greeting":
        return this.#greeting.resolve(message.version);
      case "event":
        for (const listener of [...this.#listeners]) listener(message.event);
        return;
      case "return":
        return this.#pending.get(message.id)?.answer.resolve(message.value);
      case "error": {
        const asked = message.id === undefined ? undefined : this.#pending.get(message.id);
        asked?.answer.reject(new QmpError(asked.command, message.errorClass, message.text));
      }
    }
  }

  #fail(cause: RuntimeError): RuntimeError {
    if (this.#failure) return this.#failure;
    this.#failure = cause;
    this.#connection.close();
    this.#greeting.reject(cause);
    this.#rejectAll(cause);
    return cause;
  }

  #rejectAll(cause: RuntimeError): void {
    for (const { answer } of this.#pending.values()) answer.reject(cause);
  }
}

function asRuntimeError(error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  return new RuntimeError(Code.Unavailable, `QEMU's monitor failed: ${messageOf(error)}`);
}
