import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { cleanText } from "./text_tail.ts";

/** Longest answer that is read, in bytes: the full description of a VM takes some thousands. */
const MAX_ANSWER_BYTES = 1024 * 1024;
/** Longest part of an error text that is passed on, in characters. */
const MAX_ERROR_CHARS = 1000;
/** How long a VMM may take for a call, in milliseconds, unless the caller knows better. */
const CALL_TIMEOUT_MS = 10_000;

/** What an HTTP status of a VMM means to our callers; whatever is not here is Internal. */
const CODES: Readonly<Record<number, Code>> = {
  400: Code.InvalidArgument,
  404: Code.NotFound,
  405: Code.FailedPrecondition,
  409: Code.AlreadyExists,
  429: Code.Unavailable,
};

export interface VmmCallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** JSON over HTTP on a Unix socket, as Cloud Hypervisor and Firecracker are driven. */
export class VmmApi implements Disposable {
  readonly #client: Deno.HttpClient;

  /**
   * @param vmm Its name, for error texts.
   * @param socketPath Where it listens.
   * @param base Prefix of all paths, such as "/api/v1".
   */
  constructor(readonly vmm: string, socketPath: string, readonly base: string) {
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path: socketPath } });
  }

  /** @returns The answer's JSON, or `undefined` where it has none. @throws {RuntimeError} As {@linkcode call}. */
  get(path: string, options: VmmCallOptions = {}): Promise<unknown> {
    return this.call("GET", path, undefined, options);
  }

  put(path: string, body?: unknown, options: VmmCallOptions = {}): Promise<unknown> {
    return this.call("PUT", path, body, options);
  }

  patch(path: string, body: unknown, options: VmmCallOptions = {}): Promise<unknown> {
    return this.call("PATCH", path, body, options);
  }

  /**
   * @throws {RuntimeError} With the VMM's own words, and a code for its status. DeadlineExceeded: no answer in time.
   * Unavailable: it does not answer any more.
   */
  async call(
    method: string,
    path: string,
    body: unknown,
    { timeoutMs = CALL_TIMEOUT_MS, signal }: VmmCallOptions = {},
  ): Promise<unknown> {
    const late = AbortSignal.timeout(timeoutMs);
    const what = `${method} ${path}`;
    try {
      const response = await fetch(`http://localhost${this.base}${path}`, {
        client: this.#client,
        method,
        signal: signal === undefined ? late : AbortSignal.any([late, signal]),
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      });
      return this.#result(what, response.status, await readBounded(response));
    } catch (cause) {
      if (cause instanceof RuntimeError) throw cause;
      signal?.throwIfAborted();
      const code = late.aborted ? Code.DeadlineExceeded : Code.Unavailable;
      const why = late.aborted ? `no answer within ${timeoutMs} ms` : messageOf(cause);
      throw new RuntimeError(code, `${this.vmm} failed at ${what}: ${why}`, { cause });
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #result(what: string, status: number, text: string): unknown {
    if (status >= 200 && status < 300) return text === "" ? undefined : this.#parse(what, text);
    const said = cleanText(faultOf(text)).trim().slice(0, MAX_ERROR_CHARS);
    throw new RuntimeError(
      CODES[status] ?? Code.Internal,
      `${this.vmm} refused ${what} (HTTP ${status})${said === "" ? "" : `: ${said}`}`,
    );
  }

  #parse(what: string, text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new RuntimeError(Code.Internal, `${this.vmm} answered ${what} with no JSON`, { cause });
    }
  }
}

async function readBounded(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "", length = 0;
  for await (const bytes of response.body ?? []) {
    length += bytes.length;
    if (length > MAX_ANSWER_BYTES) throw new Error(`an answer of over ${MAX_ANSWER_BYTES} bytes`);
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

/** Firecracker wraps its words as `{"fault_message": ...}`, newer Cloud Hypervisors as a list; others are plain. */
function faultOf(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value.map(String).join(": ");
    if (typeof value === "object" && value !== null && "fault_message" in value) {
      return String(value.fault_message);
    }
  } catch {
    // not JSON: the text itself is what it said
  }
  return text;
}
