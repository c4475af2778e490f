/** Compiles /init: static, so that it needs nothing of the root file system. */
import { runForText } from "./command.ts";

const FLAGS = ["-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror", "-Wl,--build-id=none"];

/** @throws {Error} When gcc or libc6-dev is not installed, or refuses the program. */
export async function compileInit(source: string): Promise<Uint8Array> {
  const output = await Deno.makeTempFile({ prefix: "kata-init-" });
  try {
    // The name of the source ends up in the symbol table, which -s drops: same source, same bytes.
    await runForText(["gcc", ...FLAGS, "-o", output, source]);
    return await Deno.readFile(output);
  } catch (error) {
    throw new Error(`Cannot compile "${source}" (packages gcc and libc6-dev)`, { cause: error });
  } finally {
    await Deno.remove(output);
  }
}
