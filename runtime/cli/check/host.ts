import { messageOf } from "../../../common/base/errors.ts";
import { close, O, open } from "../../../common/linux/fd.ts";
import { ioUringAvailable } from "../../../common/linux/io_uring.ts";
import { run } from "../../../common/linux/subprocess.ts";

/** Longest time for a program to say its version, in milliseconds. */
const VERSION_MS = 10_000;

/** What the checks ask of the host; tests have their own. */
export interface Host {
  /** A file's text, or `undefined` when it cannot be read. */
  text(path: string): string | undefined;
  exists(path: string): boolean;
  /** Opens a device. @returns Why it cannot be opened, or `undefined`. */
  whyNot(device: string): string | undefined;
  /** The first line that a program says of its version, or `undefined` when it does not run. */
  version(program: string, args: readonly string[]): Promise<string | undefined>;
  /** Where a program is on PATH, or `undefined`. */
  find(program: string): string | undefined;
  /** Whether io_uring can be used. */
  ioUring(): boolean;
}

function whyNot(device: string): string | undefined {
  try {
    close(open(device, O.RDWR | O.NONBLOCK | O.NOCTTY));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function text(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // as good as absent: what cannot be read cannot be used
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false; // as above
  }
}

async function version(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { code, stdout, stderr } = await run([program, ...args], { timeoutMs: VERSION_MS });
    const line = (stdout || stderr).split("\n", 1)[0]?.trim();
    return code === 0 && line ? line : undefined;
  } catch {
    return undefined; // it does not run, which is what was asked
  }
}

/** This host. @param searchPath Folders with programs, separated by colons. */
export function thisHost(searchPath: string): Host {
  const folders = searchPath.split(":").filter((folder) => folder.startsWith("/"));
  const find = (program: string): string | undefined =>
    program.startsWith("/")
      ? (exists(program) ? program : undefined)
      : folders.map((folder) => `${folder}/${program}`).find(exists);
  return { text, exists, whyNot, version, find, ioUring: ioUringAvailable };
}
