import type { ExitStatus } from "../../common/linux/reaper.ts";

/** `exited with status 1: last words`, as the end of a sentence that begins with who. */
export function exitText(status: ExitStatus, lastWords: string): string {
  const how = status.signal === undefined
    ? `exited with status ${status.code ?? 0}`
    : `was killed by signal ${status.signal}`;
  return lastWords === "" ? how : `${how}: ${lastWords}`;
}
