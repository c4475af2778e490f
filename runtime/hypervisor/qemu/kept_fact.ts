import { sha256Hex } from "../../../common/base/hex.ts";

/** Whose fact it is, and where facts are kept. */
export interface FactPlace {
  /** A program; another one at its place has facts of its own. */
  readonly path: string;
  /** Emptied by a reboot. */
  readonly cacheDir: string;
}

/**
 * What a trial has found out about a program, kept until the host reboots or the program changes. Two processes may
 * try at once: both find the same, and the later file replaces the earlier whole.
 * @param find The trial; what it does not know is not kept.
 */
export async function keptFact<T extends string>(
  name: string,
  { path, cacheDir }: FactPlace,
  isFact: (text: string) => text is T,
  find: () => Promise<string | undefined>,
): Promise<string | undefined> {
  const file = `${cacheDir}/${name}-${await identity(path)}`;
  const known = await read(file);
  if (known !== undefined && isFact(known)) return known;
  const found = await find();
  if (found !== undefined) await keep(file, cacheDir, found);
  return found;
}

async function identity(program: string): Promise<string> {
  const bootId = await Deno.readTextFile("/proc/sys/kernel/random/boot_id");
  const { size, mtime, ino } = await Deno.stat(program);
  return (await sha256Hex([bootId, program, size, mtime?.getTime(), ino].join("\n"))).slice(0, 16);
}

async function read(file: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function keep(file: string, folder: string, fact: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o755 });
  const draft = `${file}.${Deno.pid}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(draft, fact, { mode: 0o644 });
  await Deno.rename(draft, file);
}
