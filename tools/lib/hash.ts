/** Hashes of contents, which decide what must be made anew. */

/** SHA-256 of bytes, in hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toHex();
}

/**
 * One hash for a folder: names and contents of the files in it, whatever their times and order on disk.
 * Links are hashed by where they point.
 */
export async function hashTree(directory: string): Promise<string> {
  const lines: string[] = [];
  for await (const entry of Deno.readDir(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) lines.push(`${entry.name}/ ${await hashTree(path)}`);
    else if (entry.isSymlink) lines.push(`${entry.name}@ ${await Deno.readLink(path)}`);
    else lines.push(`${entry.name} ${await sha256(await Deno.readFile(path))}`);
  }
  return await sha256(lines.sort().join("\n"));
}
