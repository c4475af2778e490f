/** A program on a terminal that a test types on. */
import { FdStream } from "../../common/linux/fd_stream.ts";
import { openPty } from "../../common/linux/pty.ts";
import { type ExitStatus, reaper } from "../../common/linux/reaper.ts";
import { spawn } from "../../common/linux/spawn.ts";

/** Longest wait for what the program shows. */
const SHOW_MS = 60_000;
const AGAIN_MS = 500;

/** Disposing closes the terminal, which ends most programs. */
export class TypedTerminal implements Disposable {
  readonly #terminal: FdStream;
  readonly #buffer = new Uint8Array(4096);
  /** How the program ended. */
  readonly ended: Promise<ExitStatus>;
  #shown = "";

  /** @param argv The program by absolute path, and its arguments. */
  constructor(argv: readonly string[]) {
    const { master, slavePath } = openPty();
    this.#terminal = new FdStream(master);
    const fds = { 0: slavePath, 1: slavePath, 2: slavePath };
    this.ended = reaper().exit(spawn({ argv, fds, newSession: true }));
  }

  async type(text: string): Promise<void> {
    await this.#terminal.write(new TextEncoder().encode(text));
  }

  /** Types a text again and again until another is shown: nobody tells when a program has begun to listen. */
  async typeUntil(text: string, shown: string): Promise<void> {
    const again = setInterval(() => void this.type(text), AGAIN_MS);
    try {
      await this.type(text);
      await this.until(shown);
    } finally {
      clearInterval(again);
    }
  }

  /** Waits until the program has shown a text since it was last asked for one. */
  async until(text: string): Promise<void> {
    const signal = AbortSignal.timeout(SHOW_MS);
    while (!this.#shown.includes(text)) {
      const count = await this.#terminal.read(this.#buffer, signal);
      if (count === null) {
        throw new Error(`"${text}" was not shown: ${JSON.stringify(this.#shown)}`);
      }
      this.#shown += new TextDecoder().decode(this.#buffer.subarray(0, count));
    }
    this.#shown = this.#shown.slice(this.#shown.indexOf(text) + text.length);
  }

  [Symbol.dispose](): void {
    this.#terminal.close();
  }
}
