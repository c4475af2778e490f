/** How long something may take without a word, in milliseconds. */
const SILENT_MS = 1_000;
const FRAME_MS = 120;
const FRAMES = ["|", "/", "-", "\\"];

/** Erases the line. Source: ECMA-48, EL and CR. */
const ERASE = "\r\x1b[K";

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/** Does something that may take longer than a second, and shows on a terminal that it is at it. */
export async function withProgress<T>(what: string, work: () => Promise<T>): Promise<T> {
  if (!Deno.stderr.isTerminal()) return await work();
  let frame = 0;
  let timer = setTimeout(function show(): void {
    write(`${ERASE}${FRAMES[frame++ % FRAMES.length]} ${what}`);
    timer = setTimeout(show, FRAME_MS);
  }, SILENT_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    if (frame > 0) write(ERASE);
  }
}
