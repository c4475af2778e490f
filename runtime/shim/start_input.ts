import { fromBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { BootstrapParamsSchema } from "../../common/protocol/gen/containerd/bootstrap_pb.ts";

/** More than any engine sends, in bytes. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Engines write before they wait, so this passes only with a stdin that nobody writes to, in milliseconds. */
const READ_TIMEOUT_MS = 1_000;

const STDIN = 0;

/** What `start` finds on its stdin. */
export interface StartInput {
  /** The runtime handler's options, of whatever type. */
  readonly options: Any | undefined;
  /** The engine wants debug lines. Only containerd from 2.3 on says so here. */
  readonly debug: boolean;
}

const NOTHING: StartInput = { options: undefined, debug: false };

function decode<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined; // not that message: whatever it is, it must not fail a start
  }
}

/**
 * Decodes an `Any` with options (containerd 1.6 to 2.2) or BootstrapParams (from 2.3 on). Each decodes as the other
 * without an error, so it is Params only when it names this container. Never throws.
 */
export function parseStartInput(bytes: Uint8Array, id: string): StartInput {
  if (bytes.length === 0) return NOTHING;
  const params = decode(() => fromBinary(BootstrapParamsSchema, bytes));
  if (params && params.instanceId === id && id !== "") {
    const extensions = params.extensions.flatMap(({ value }) => value ? [value] : []);
    return { options: extensions[0], debug: params.logLevel < 0 };
  }
  const options = decode(() => fromBinary(AnySchema, bytes));
  return options && options.typeUrl !== "" ? { options, debug: false } : NOTHING;
}

async function readPipe(): Promise<Uint8Array> {
  using stdin = new FdStream(STDIN);
  const buffer = new Uint8Array(MAX_BYTES);
  const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
  let length = 0;
  while (length < MAX_BYTES) {
    const count = await stdin.read(buffer.subarray(length), signal);
    if (count === null) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

/** Everything on stdin, where that is a pipe or a file; a terminal is not waited for. Never throws. */
export async function readStartInput(id: string): Promise<StartInput> {
  try {
    const { isFifo, isSocket, isFile } = Deno.statSync(`/proc/self/fd/${STDIN}`);
    if (isFile) return parseStartInput(Deno.readFileSync(`/proc/self/fd/${STDIN}`), id);
    return isFifo || isSocket ? parseStartInput(await readPipe(), id) : NOTHING;
  } catch {
    return NOTHING; // it must not fail the start, and there is no place for a warning: the address goes to stderr too
  }
}
