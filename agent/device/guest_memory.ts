/** Processors and memory of the guest that came after boot. */

const CPUS = "/sys/devices/system/cpu";
const MEMORY = "/sys/devices/system/memory";

/** Size of the unit in which memory is added, in bytes; 0 where the kernel cannot add any. */
export async function memoryBlockBytes(): Promise<bigint> {
  const text = await readIfThere(`${MEMORY}/block_size_bytes`);
  return text === undefined ? 0n : BigInt(`0x${text.trim()}`);
}

/** Whether added memory must be announced by its address (arm64, older x86). */
export async function needsMemoryProbe(): Promise<boolean> {
  return await readIfThere(`${MEMORY}/probe`) !== undefined;
}

/** Switches processors on that are off, no more than `most`. @returns How many changed. */
export async function onlineCpus(most: number): Promise<number> {
  return await onlineIn(CPUS, /^cpu\d+$/, most);
}

/** Switches every block of memory on that is off. */
export async function onlineMemory(): Promise<void> {
  await onlineIn(MEMORY, /^memory\d+$/, Infinity);
}

async function onlineIn(folder: string, name: RegExp, most: number): Promise<number> {
  let changed = 0;
  for await (const entry of Deno.readDir(folder)) {
    if (changed >= most) break;
    if (!name.test(entry.name)) continue;
    const file = `${folder}/${entry.name}/online`;
    if ((await readIfThere(file))?.trim() !== "0") continue;
    await Deno.writeTextFile(file, "1", { create: false });
    changed++;
  }
  return changed;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied;
    if (absent) return undefined;
    throw error;
  }
}
