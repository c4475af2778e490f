/** The guest's name servers. */
import { mount, MS_BIND } from "../../common/linux/mount.ts";

const RESOLV_CONF = "/etc/resolv.conf";

/**
 * Binds a file with these lines over /etc/resolv.conf; does nothing in an image without one.
 * @param lines As they stand in resolv.conf(5).
 * @param folder Where the file is kept.
 */
export async function setDns(lines: readonly string[], folder: string): Promise<void> {
  if (!await exists(RESOLV_CONF)) return;
  await Deno.mkdir(folder, { recursive: true });
  const file = `${folder}/resolv.conf`;
  await Deno.writeTextFile(file, lines.map((line) => `${line}\n`).join(""));
  mount(file, RESOLV_CONF, "", MS_BIND);
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
