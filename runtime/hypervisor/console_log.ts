import { log } from "../../common/base/log.ts";
import { cleanText, TextTail } from "./text_tail.ts";

/** A line beyond this is logged in parts. */
const MAX_LINE_CHARS = 1000;

/** Keeps the end of a guest's console, and logs all of it, for `enable_debug`. */
export class LoggedConsole extends TextTail {
  readonly #sandbox: string;
  readonly #decoder = new TextDecoder();
  #rest = "";

  constructor(sandbox: string) {
    super();
    this.#sandbox = sandbox;
  }

  override push(bytes: Uint8Array): void {
    super.push(bytes);
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > MAX_LINE_CHARS) {
      lines.push(this.#rest);
      this.#rest = "";
    }
    for (const line of lines) {
      log.debug("guest console", { sandbox: this.#sandbox, line: cleanText(line).trimEnd() });
    }
  }
}
