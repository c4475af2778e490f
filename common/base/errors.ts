/**
 * Status codes that travel in a ttrpc or gRPC status.
 * Source: google.rpc.Code, as containerd's errdefs uses it.
 */
export const Code = {
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;
export type Code = typeof Code[keyof typeof Code];

/** A failure the caller must tell apart; `code` goes on the wire. */
export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
  constructor(readonly code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** The code to send for any thrown value: a {@linkcode RuntimeError}'s own, otherwise Unknown. */
export function codeOf(error: unknown): Code {
  return error instanceof RuntimeError ? error.code : Code.Unknown;
}

/** The text of any thrown value, with its causes, on one line. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || error.name;
  return error.cause === undefined ? own : `${own}: ${messageOf(error.cause)}`;
}

/** For the `default` of a switch over a union: compiles only when every case is handled. */
export function unreachable(value: never): never {
  throw new Error(`Unhandled case: ${JSON.stringify(value)}`);
}
