/** Runs programs for the tools and the tests, always with an end in sight. */

/** How a program ended and what it printed. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What {@linkcode command} takes beside the program. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Bytes for its standard input; without them it reads from /dev/null. */
  readonly stdin?: string | Uint8Array;
  /** After this long it is killed and the call throws. Default: two minutes. */
  readonly timeoutMs?: number;
  /** Receives its output as it comes, both streams alike, beside the result. */
  readonly tee?: (bytes: Uint8Array) => void;
}

/** The longest output kept, in bytes a stream; what comes after is dropped. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

async function collect(
  stream: ReadableStream<Uint8Array>,
  tee?: (bytes: Uint8Array) => void,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    tee?.(bytes);
    if (text.length < MAX_OUTPUT_BYTES) text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

async function feed(
  stream: WritableStream<Uint8Array>,
  input: string | Uint8Array,
): Promise<void> {
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const writer = stream.getWriter();
  try {
    await writer.write(bytes);
    await writer.close();
  } catch (error) {
    // A program may end without reading all of its input.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/**
 * Runs a program to its end.
 * @param argv The program and its arguments.
 * @throws {Error} It took longer than `timeoutMs` (it is killed), or could not be started.
 */
export async function command(
  argv: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const [program, ...args] = argv;
  const { cwd, env, stdin, tee, timeoutMs = 120_000 } = options;
  const child = new Deno.Command(program, {
    args,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  try {
    const fed = stdin === undefined ? Promise.resolve() : feed(child.stdin, stdin);
    const [stdout, stderr, { code }] = await Promise.all([
      collect(child.stdout, tee),
      collect(child.stderr, tee),
      child.status,
      fed,
    ]);
    if (late) {
      throw new Error(
        `${argv.join(" ").slice(0, 200)}: took longer than ${timeoutMs} ms: ${stderr}`,
      );
    }
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs a program that must succeed.
 * @returns What it printed on standard output.
 * @throws {Error} It ended with another status than 0; the message has its standard error.
 */
export async function output(
  argv: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await command(argv, options);
  if (code !== 0) {
    throw new Error(
      `${argv.join(" ").slice(0, 200)}: status ${code}: ${(stderr || stdout).trim()}`,
    );
  }
  return stdout;
}
