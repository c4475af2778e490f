/**
 * Writes a file (0600) so that a reader sees the old or the new one, never a part. One writer at a time.
 * @throws {Deno.errors.NotFound} Its folder is not there.
 */
export function replaceFile(path: string, text: string): void {
  Deno.writeTextFileSync(`${path}.new`, text, { mode: 0o600 });
  Deno.renameSync(`${path}.new`, path);
}
