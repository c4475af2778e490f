/** The program at both ends of network tests; see net_peer.c. */
import { compileC } from "../../../tools/lib/c_program.ts";

/** A folder that holds `net_peer`, to be shared with containers; goes with the tests. */
export async function netPeerFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "kata-net-peer-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  await compileC("tests/support/net/net_peer.c", `${folder}/net_peer`);
  return folder;
}
