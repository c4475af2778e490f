/** VMs that stand ready before anybody wants one. */

/** Where they and their sockets are. */
export const SPARES = "/run/kata-containers/spares";

/** One takes seconds on a quiet machine, and ten times that on a busy one. */
const SPARE_MS = 300_000, LOOK_AGAIN_MS = 50;

/** The VMs that can be had at this moment, by key. */
export function readySpares(): string[] {
  try {
    return [...Deno.readDirSync(SPARES)].flatMap(({ name }) =>
      /\.(spare-[0-9a-f]+)\.sock$/.exec(name)?.[1] ?? []
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Waits until so many can be had. @returns Their keys. */
export async function ready(count: number): Promise<string[]> {
  const deadline = Date.now() + SPARE_MS;
  for (;;) {
    const found = readySpares();
    if (found.length === count) return found;
    if (Date.now() > deadline) throw new Error(`${found.length} spare VMs came, not ${count}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
