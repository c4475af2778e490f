/** What both API servers share: a Unix socket that answers JSON, strictly by its description. */
import { messageOf } from "../../common/base/errors.ts";
import type { OpenApi } from "./openapi.ts";

/** An answer of the VMM's own. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

/** Faults that a test wants. */
const DIES_AT = Deno.env.get("KATA_TEST_VMM_DIES"), REFUSES = Deno.env.get("KATA_TEST_VMM_REFUSES");

export const DONE: Answer = { status: 204 };

/** The state does not allow the request, or it names what is not there. */
export class Refused extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

export type Handle = (method: string, path: string, body: Record<string, unknown>) =>
  | Answer
  | Promise<Answer>;

export interface ApiServerOptions {
  readonly socketPath: string;
  readonly api: OpenApi;
  /** Prefix of all paths. */
  readonly base: string;
  readonly handle: Handle;
  /** How this VMM words an error. */
  readonly fault: (text: string) => string;
}

async function bodyOf(request: Request): Promise<unknown> {
  const text = await request.text();
  return text === "" ? undefined : JSON.parse(text);
}

async function answer(request: Request, options: ApiServerOptions): Promise<Answer> {
  const { pathname } = new URL(request.url);
  const path = pathname.startsWith(options.base) ? pathname.slice(options.base.length) : pathname;
  if (path === DIES_AT) Deno.kill(Deno.pid, "SIGKILL");
  if (path === REFUSES) throw new Refused(400, `${path} is not offered`);
  const body = await bodyOf(request);
  const refusal = options.api.check(request.method, path, body);
  if (refusal) throw new Refused(refusal.status, refusal.text);
  return await options.handle(request.method, path, (body ?? {}) as Record<string, unknown>);
}

/** Serves until the process ends. @throws The socket is there already. */
export function serveApi(options: ApiServerOptions): void {
  Deno.serve({ path: options.socketPath, onListen: () => {} }, async (request) => {
    try {
      const { status, body } = await answer(request, options);
      return body === undefined ? new Response(null, { status }) : Response.json(body, { status });
    } catch (error) {
      const status = error instanceof Refused ? error.status : 500;
      return new Response(options.fault(messageOf(error)), { status });
    }
  });
}

/** The value after a flag, as `--api-sock PATH`. */
export function flag(args: readonly string[], name: string): string | undefined {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
}

/** Ends the program, as its peers do, where it was given what it does not know. @param valued Flags with a value. */
export function onlyFlags(
  args: readonly string[],
  valued: readonly string[],
  plain: readonly string[],
): void {
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (plain.includes(arg)) continue;
    if (!valued.includes(arg) || args[at + 1] === undefined) {
      Deno.stderr.writeSync(new TextEncoder().encode(`error: unexpected argument '${arg}'\n`));
      Deno.exit(2);
    }
    at++;
  }
}
