/**
 * The end of a stream of text that a guest or a VMM writes: bounded memory, however much comes.
 */
export class TextTail {
  #text = "";
  readonly #decoder = new TextDecoder();

  /** @param maxChars Characters kept. */
  constructor(readonly maxChars = 16_384) {}

  push(bytes: Uint8Array): void {
    this.#text = (this.#text + this.#decoder.decode(bytes, { stream: true })).slice(-this.maxChars);
  }

  /** The last lines, trimmed, joined by ` | `, without control characters; `""` when there was nothing. */
  lines(count: number): string {
    return this.#lines().slice(-count).join(" | ");
  }

  /** The kernel's own line about its end, such as `Kernel panic - not syncing: ...`, if it is still there. */
  panic(): string | undefined {
    return this.#lines().findLast((line) => line.includes("Kernel panic - "));
  }

  #lines(): string[] {
    return cleanText(this.#text).split("\n").map((line) => line.trimEnd()).filter((line) =>
      line !== ""
    );
  }
}

// deno-lint-ignore no-control-regex -- control characters are what is being looked for
const ESCAPE_SEQUENCE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])/g;
// deno-lint-ignore no-control-regex -- as above; keeps \t and \n
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]/g;

/** Text from a hostile source made fit for logs and error messages: no terminal escapes, no control characters. */
export function cleanText(text: string): string {
  return text.replaceAll("\r\n", "\n").replaceAll(ESCAPE_SEQUENCE, "").replaceAll(CONTROL, "");
}
