/** Removes sockets that a VMM made: it removes them itself, unless it was killed. */
export async function removeSockets(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}
