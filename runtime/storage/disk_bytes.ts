/** How many bytes an image file or a block device of the host has. @throws {Deno.errors.NotFound} */
export function diskBytes(path: string): number {
  using file = Deno.openSync(path);
  return file.seekSync(0, Deno.SeekMode.End);
}
