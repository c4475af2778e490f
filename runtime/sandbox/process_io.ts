import type { Relay } from "./relay.ts";

/** In characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Where a process's bytes come from. `null` is the end. */
export interface ByteSource {
  read(into: Uint8Array): Promise<number | null>;
}

/** Where a process's bytes go: resolves when all of them were taken. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

/**
 * The host's ends of one process's streams; absent ones are /dev/null.
 * With a terminal `stdout` carries both outputs and `stderr` is absent.
 */
export interface ProcessIo {
  /** The pid of what stands for the process on the host, where the caller has started it already. */
  readonly pid?: number;
  /** Takes that over, to be told of its signals. */
  companion?(onSignal: (signal: number) => void): Relay;
  /** The size of the terminal behind it, in characters, where it has one of the host's. */
  terminalSize?(): TerminalSize;
  readonly stdin?: ByteSource;
  readonly stdout?: ByteSink;
  readonly stderr?: ByteSink;
  /** The process starts: call before the first read. */
  begin(): void;
  /** The client will write no more: stdin ends after the bytes that are already there. */
  closeStdin(): void;
  /** Closes all streams, so that a reader of the outputs sees their end. Repeating is harmless. */
  closeStreams(): void;
  /** Closes the streams and ends what the host runs for them, in bounded time. Repeating is harmless. */
  close(): Promise<void>;
}
