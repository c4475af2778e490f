import { FdStream } from "../../../common/linux/fd_stream.ts";
import { dup } from "../../../common/linux/fd.ts";
import { isTerminal, makeRaw, setWindowSize, windowSize } from "../../../common/linux/terminal.ts";
import type { Streams } from "./streams.ts";

/** Signals that our caller means for the process that we wait for. */
const FORWARDED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"] as const;

/** Passes signals on until disposed of. */
export function forwardSignals(pass: (signal: Deno.Signal) => void): Disposable {
  const undo = new DisposableStack();
  for (const signal of FORWARDED) {
    const listener = (): void => pass(signal);
    Deno.addSignalListener(signal, listener);
    undo.defer(() => Deno.removeSignalListener(signal, listener));
  }
  return undo;
}

function followSize(master: number): Disposable {
  const undo = new DisposableStack();
  if (!isTerminal(0)) return undo;
  const follow = (): void => {
    const { rows, cols } = windowSize(0);
    setWindowSize(master, rows, cols);
  };
  follow();
  Deno.addSignalListener("SIGWINCH", follow);
  undo.defer(() => Deno.removeSignalListener("SIGWINCH", follow));
  undo.defer(makeRaw(0));
  return undo;
}

async function copy(from: FdStream, to: FdStream, signal?: AbortSignal): Promise<void> {
  const buffer = new Uint8Array(32 * 1024);
  for (let count; (count = await from.read(buffer, signal)) !== null;) {
    await to.write(buffer.subarray(0, count));
  }
}

/** Shows a process's terminal on our own streams, until it is hung up; disposing gives our terminal back. */
export function showTerminal({ master }: Streams): AsyncDisposable {
  if (!master) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const undo = new DisposableStack();
  undo.use(followSize(master.fd));
  const shown = undo.use(new FdStream(master.release()));
  const [stdin, stdout] = [undo.use(new FdStream(dup(0))), undo.use(new FdStream(dup(1)))];
  const stopped = new AbortController();
  copy(stdin, shown, stopped.signal).catch(() => {}); // the terminal was hung up: the process has ended
  const output = copy(shown, stdout).catch(() => {}); // nobody reads our output any more
  return {
    [Symbol.asyncDispose]: async () => {
      await output;
      stopped.abort();
      undo.dispose();
    },
  };
}
