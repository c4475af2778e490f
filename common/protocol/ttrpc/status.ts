import { Code, codeOf, messageOf, RuntimeError } from "../../base/errors.ts";

/** Longest text of a status, in characters. A peer's text is cut to it, ours too. */
export const MAX_MESSAGE_CHARS = 4096;

/** How a call ended, when it did not succeed. Source: ttrpc.proto, message Status. */
export interface Status {
  readonly code: number;
  readonly message: string;
}

/** The status to send for a thrown value. */
export function statusOf(error: unknown): Status {
  return {
    code: codeOf(error),
    message: messageOf(error).slice(0, MAX_MESSAGE_CHARS),
  };
}

/** The error to throw for a status from the peer, whose text may be hostile. */
export function errorOf(status: Status): RuntimeError {
  return new RuntimeError(
    isCode(status.code) ? status.code : Code.Unknown,
    plain(status.message),
  );
}

const CODES: ReadonlySet<number> = new Set(Object.values(Code));

function isCode(code: number): code is Code {
  return CODES.has(code);
}

/** Without control characters, which could forge log lines or drive a terminal. */
function plain(text: string): string {
  return text.slice(0, MAX_MESSAGE_CHARS).replace(/\p{Cc}+/gu, " ");
}
