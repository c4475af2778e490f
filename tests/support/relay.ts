/** The relay's program, compiled for unit tests. */
import { compileC } from "../../tools/lib/c_program.ts";

/** Compiles it into a temporary folder, which goes with the tests. @returns Its path. */
export async function relayProgram(): Promise<string> {
  const folder = await Deno.makeTempDir();
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  await compileC("runtime/relay/relay.c", `${folder}/kata-relay`);
  return `${folder}/kata-relay`;
}
