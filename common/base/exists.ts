/** Whether anything has this path, a link that leads nowhere too. @throws What lstat(2) reports, but for absence. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
