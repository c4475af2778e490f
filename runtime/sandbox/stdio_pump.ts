import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { AgentLink } from "../agent_client/agent_link.ts";
import {
  type Connection,
  HEADROOM_BYTES,
  writeAll,
  writeFramed,
} from "../../common/protocol/transport/connection.ts";
import type { ByteSink, ByteSource, ProcessIo } from "./process_io.ts";

/** Names a process to the agent. */
export interface ProcessKey {
  readonly containerId: string;
  readonly execId: string;
}

/** The port fields of CreateContainer and ExecProcess; 0 leaves a stream on the Read and Write calls. */
export interface StreamPorts {
  readonly stdinPort: number;
  readonly stdoutPort: number;
  readonly stderrPort: number;
}

/** The port number that stands for /dev/null. */
const NULL_PORT = 0xffff_ffff;

const BUFFER_BYTES = 256 * 1024;

/** Most bytes that one Read call may bring. Source: the original's stream reader. */
const READ_BYTES = 32 * 1024;

/** Carries a process's bytes until they end. */
export interface StdioPump {
  readonly ports: StreamPorts;
  /** Begins to carry; call once the agent has the process. */
  start(): void;
  /** Resolves when both outputs have ended and were written. */
  readonly outputsEnded: Promise<void>;
  /** Ends all carrying at once. */
  stop(): void;
}

/** Copies until the source ends or either side fails. */
async function copy(from: ByteSource, to: ByteSink): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) return;
    await writeAll(to, buffer.subarray(0, count));
  }
}

/** The same over a connection, with as few copies as that allows. */
async function send(from: ByteSource, to: Connection): Promise<void> {
  const buffer = new Uint8Array(HEADROOM_BYTES + BUFFER_BYTES);
  for (;;) {
    const count = await from.read(buffer.subarray(HEADROOM_BYTES));
    if (count === null) return;
    await writeFramed(to, buffer.subarray(0, HEADROOM_BYTES + count));
  }
}

/** The next number that names a stream of this shim. */
let nextStream = 1;

/** Stdio over connections of its own: one for each stream that the client wants. */
async function openStreams(
  link: AgentLink,
  io: ProcessIo,
  signal: AbortSignal,
): Promise<StdioPump> {
  const open = async (
    wanted: boolean,
  ): Promise<[number, Connection | undefined]> => {
    if (!wanted) return [NULL_PORT, undefined];
    const number = nextStream++;
    return [number, await link.openStream(number, signal)];
  };
  const [[stdinPort, stdin], [stdoutPort, stdout], [stderrPort, stderr]] = await Promise.all([
    open(io.stdin !== undefined),
    open(io.stdout !== undefined),
    open(io.stderr !== undefined),
  ]);
  const ended = Promise.withResolvers<void>();
  const output = async (
    from: Connection | undefined,
    to: ByteSink | undefined,
  ): Promise<void> => {
    if (from && to) await copy(from, to);
  };
  const input = async (): Promise<void> => {
    if (!stdin || !io.stdin) return;
    await send(io.stdin, stdin);
    await stdin.closeWrite();
  };
  return {
    ports: { stdinPort, stdoutPort, stderrPort },
    outputsEnded: ended.promise,
    start: () => {
      input().catch(() => stdin?.close()); // either end is gone: the process has ended
      Promise.allSettled([output(stdout, io.stdout), output(stderr, io.stderr)])
        .then(() => ended.resolve());
    },
    stop: () => {
      for (const stream of [stdin, stdout, stderr]) stream?.close();
      ended.resolve();
    },
  };
}

/** Stdio by the Read and Write calls, for agents without streams. */
function callStreams(
  link: AgentLink,
  key: ProcessKey,
  io: ProcessIo,
): StdioPump {
  const aborted = new AbortController();
  const ended = Promise.withResolvers<void>();
  const options = { timeoutMs: undefined, signal: aborted.signal };
  const reader = (read: AgentLink["agent"]["readStdout"]): ByteSource => ({
    read: async (into) => {
      const { data } = await read({
        ...key,
        len: Math.min(into.length, READ_BYTES),
      }, options);
      if (data.length > into.length) {
        throw new RuntimeError(
          Code.DataLoss,
          "The agent sent more than was asked",
        );
      }
      into.set(data);
      return data.length === 0 ? null : data.length;
    },
  });
  const discard: ByteSink = { write: (bytes) => Promise.resolve(bytes.length) };
  const writer: ByteSink = {
    write: async (bytes) => {
      for (let at = 0; at < bytes.length;) {
        const { len } = await link.agent.writeStdin({
          ...key,
          data: bytes.subarray(at),
        }, options);
        if (len === 0 || len > bytes.length - at) {
          throw new RuntimeError(Code.DataLoss, "The agent took no input");
        }
        at += len;
      }
      return bytes.length;
    },
  };
  const input = async (): Promise<void> => {
    if (io.stdin) await copy(io.stdin, writer);
    await link.agent.closeStdin(key, options);
  };
  return {
    ports: { stdinPort: 0, stdoutPort: 0, stderrPort: 0 },
    outputsEnded: ended.promise,
    start: () => {
      input().catch(() => {}); // the process has ended, or the VM has: both are noticed elsewhere
      Promise.allSettled([
        copy(reader(link.agent.readStdout), io.stdout ?? discard),
        io.stderr ? copy(reader(link.agent.readStderr), io.stderr) : Promise.resolve(),
      ]).then(() => ended.resolve());
    },
    stop: () => {
      aborted.abort();
      ended.resolve();
    },
  };
}

/** Prepares to carry a process's stdio in the best way that the agent has. */
export function openPump(
  link: AgentLink,
  streams: boolean,
  key: ProcessKey,
  io: ProcessIo,
  signal: AbortSignal,
): Promise<StdioPump> {
  return streams ? openStreams(link, io, signal) : Promise.resolve(callStreams(link, key, io));
}
