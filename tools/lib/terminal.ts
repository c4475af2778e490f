/** What the tools say: results on standard output, progress on standard error. */

const encoder = new TextEncoder();

function writeAll(file: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(file.writeSync(bytes));
}

/** A line that is the result of the tool. */
export function print(line: string): void {
  writeAll(Deno.stdout, line + "\n");
}

/** A line that says what the tool does. */
export function progress(line: string): void {
  writeAll(Deno.stderr, `== ${line}\n`);
}

/** A line below the last progress line. */
export function note(line: string): void {
  writeAll(Deno.stderr, `   ${line}\n`);
}
