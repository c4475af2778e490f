import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { close, O, open } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { kill, SIGNALS } from "../../common/linux/process.ts";
import { reaper } from "../../common/linux/reaper.ts";
import { socketPair } from "../../common/linux/socket.ts";
import { spawn } from "../../common/linux/spawn.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import { shippedProgram } from "../config/resolve.ts";

/** The descriptor on which the relay finds its network namespace. Source: runtime/relay/relay.c. */
const NETNS_FD = 3;

/** A relay that was told to end and has not by then is killed, in milliseconds. */
const END_TIMEOUT_MS = 1_000;

/** What a relay is started with. */
export interface RelayOptions {
  /** Shown by ps(1). */
  readonly name: string;
  /** The network namespace to live in; ours when absent. */
  readonly netnsPath?: string | undefined;
  /** Whether it is to show the container's files, by {@linkcode Relay.enter}. */
  readonly shows?: boolean;
  /** Told of each signal that somebody sent to the relay's pid: it was meant for the process in the guest. */
  readonly onSignal: (signal: number) => void;
  /** Its program; ours when absent. */
  readonly program?: string;
}

function openNamespace(path: string): number {
  try {
    return open(path, O.RDONLY);
  } catch (cause) {
    throw new RuntimeError(
      Code.InvalidArgument,
      `Cannot enter network namespace "${path}": ${messageOf(cause)}`,
    );
  }
}

/** Words of the server to a relay, and what its answers mean. Source: runtime/relay/relay.c. */
const END = "E".charCodeAt(0), ROOT = "R".charCodeAt(0), ENTERED = 0, FAILED = 128;

/** What a relay shows as its own files: a root file system of the host, and what is mounted below it. */
export interface RelayRoot {
  readonly path: string;
  readonly mounts: readonly { readonly source: string; readonly destination: string }[];
}

function rootWord({ path, mounts }: RelayRoot): Uint8Array<ArrayBuffer> {
  const paths = [path, ...mounts.flatMap(({ source, destination }) => [source, destination])];
  const text = new TextEncoder().encode(paths.map((each) => `${each}\0`).join(""));
  const word = new Uint8Array(5 + text.length);
  word[0] = ROOT;
  new DataView(word.buffer).setUint32(1, text.length, true);
  word.set(text, 5);
  return word;
}

/**
 * The tiny process on the host that stands for one process in the guest: engines take its pid for the process's, look
 * into its namespaces and signal it. It ends with the process's status, or with 255 when the server dies.
 *
 * The container never depends on it. A signal that it can catch is passed on and it lives on, as the process decides;
 * killed by SIGKILL it takes the process with it, as the process's own pid would under runc.
 */
export class Relay {
  readonly pid: number;
  readonly #channel: FdStream;
  readonly #onSignal: (signal: number) => void;
  readonly #gone = Promise.withResolvers<void>();
  #entered: PromiseWithResolvers<void> | undefined;
  #told = false;

  private constructor(pid: number, channel: FdStream, onSignal: (signal: number) => void) {
    this.pid = pid;
    this.#channel = channel;
    this.#onSignal = onSignal;
  }

  /** Starts one; takes half a millisecond and waits for nothing. @throws {RuntimeError} Namespace or program missing. */
  static start(options: RelayOptions): Relay {
    const { name, netnsPath, shows, onSignal, program = shippedProgram("kata-relay") } = options;
    using undo = new DisposableStack();
    const [ours, theirs] = socketPair();
    undo.defer(() => close(theirs));
    const channel = new FdStream(ours);
    const namespace = netnsPath === undefined ? undefined : openNamespace(netnsPath);
    if (namespace !== undefined) undo.defer(() => close(namespace));
    try {
      const pid = spawn({
        argv: [program, name],
        env: shows ? { RELAY_MOUNTS: "own" } : {},
        cwd: "/",
        newSession: true,
        fds: { 0: theirs, ...(namespace === undefined ? {} : { [NETNS_FD]: namespace }) },
      });
      const relay = new Relay(pid, channel, onSignal);
      void relay.#listen();
      reaper().exit(pid).then(({ signal }) => relay.#ended(signal));
      return relay;
    } catch (cause) {
      channel.close();
      throw new RuntimeError(Code.Unavailable, `Cannot start a relay for "${name}"`, { cause });
    }
  }

  /**
   * Takes over one that somebody else started.
   * @param channel Our end of its socket; it becomes the relay's.
   */
  static adopt(pid: number, channel: FdStream, onSignal: (signal: number) => void): Relay {
    const relay = new Relay(pid, channel, onSignal);
    relay.#listen().then(() => relay.#ended(SIGNALS.SIGKILL)); // nothing else ends it before it is told
    return relay;
  }

  /** Makes it show a container's files as its own, where engines look for them. @throws {RuntimeError} */
  async enter(root: RelayRoot): Promise<void> {
    this.#entered = Promise.withResolvers();
    await this.#channel.write(rootWord(root));
    await this.#entered.promise;
  }

  /** Lets it end with this status; only the first call counts. @returns When it has ended. */
  async end(status: number): Promise<void> {
    if (!this.#told) {
      this.#told = true;
      await this.#channel.write(Uint8Array.of(END, status)).catch((error) => {
        if (!isErrno(error, "EPIPE", "EBADF")) throw error; // it has ended before
      });
      this.#signal(SIGNALS.SIGCONT); // a stopped one would not hear that it is to end
    }
    const late = setTimeout(() => this.#signal(SIGNALS.SIGKILL), END_TIMEOUT_MS);
    await this.#gone.promise;
    clearTimeout(late);
  }

  #signal(signal: number): void {
    try {
      kill(this.pid, signal);
    } catch (error) {
      if (!isErrno(error, "ESRCH")) throw error;
    }
  }

  async #listen(): Promise<void> {
    const byte = new Uint8Array(1);
    try {
      while (await this.#channel.read(byte) !== null) this.#hear(byte[0] ?? 0);
    } catch (error) {
      if (!isErrno(error, "ECONNRESET")) throw error; // it was killed with our last byte unread
    }
  }

  #hear(word: number): void {
    if (word === ENTERED) return this.#entered?.resolve();
    if (word >= FAILED) return this.#entered?.reject(rootError(this.pid, word - FAILED));
    if (!this.#told) this.#onSignal(word);
  }

  #ended(signal: number | undefined): void {
    this.#gone.resolve();
    this.#channel.close();
    this.#entered?.reject(new RuntimeError(Code.Unavailable, `Relay ${this.pid} has ended`));
    if (this.#told) return;
    this.#told = true;
    log.warn("A relay ended before its process", { pid: this.pid, signal });
    if (signal !== undefined) this.#onSignal(signal);
  }
}

function rootError(pid: number, errno: number): RuntimeError {
  return new RuntimeError(
    Code.Unknown,
    `Relay ${pid} cannot show the container's files: errno ${errno}`,
  );
}
