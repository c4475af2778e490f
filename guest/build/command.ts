/** Runs the tools of the build machine, whose failures name the command and what it said. */

/** How {@linkcode runForOutput} runs a command. */
export interface CommandOptions {
  readonly stdin?: Uint8Array;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Accept a failure as long as there is output: decompressors object to bytes behind the stream. */
  readonly ignoreTrailing?: boolean;
}

/**
 * @returns Everything the command wrote on standard output.
 * @throws {Error} When the command is missing or fails; with the last of its standard error.
 */
export async function runForOutput(
  command: readonly string[],
  options: CommandOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const child = start(command, options);
  const fed = options.stdin === undefined ? Promise.resolve() : feed(child, options.stdin);
  const [{ success, code, stdout, stderr }] = await Promise.all([child.output(), fed]);
  if (!success && !(options.ignoreTrailing && stdout.length > 0)) {
    throw new Error(`"${command.join(" ")}" ended with ${code}: ${lastLines(stderr)}`);
  }
  return stdout;
}

/** As {@linkcode runForOutput}, decoded. */
export async function runForText(
  command: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  return new TextDecoder().decode(await runForOutput(command, options));
}

function start(command: readonly string[], options: CommandOptions): Deno.ChildProcess {
  const [program = "", ...args] = command;
  try {
    return new Deno.Command(program, {
      args,
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      env: { LC_ALL: "C", ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`Cannot run "${program}": it is not installed`, { cause: error });
  }
}

/** Decompressors close their input at the end of the stream, before all of it is read. */
async function feed(child: Deno.ChildProcess, bytes: Uint8Array): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(bytes);
    await writer.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function lastLines(stderr: Uint8Array): string {
  return new TextDecoder().decode(stderr).trim().split("\n").slice(-5).join(" / ");
}
