/** The programs at both ends of network tests; see net_peer.c and net_storm.c. */
import { compileC } from "../../../tools/lib/c_program.ts";

/** A folder that holds `net_peer` and `net_storm`, to be shared with containers; goes with the tests. */
export async function netPeerFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "kata-net-peer-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  for (const name of ["net_peer", "net_storm"]) {
    await compileC(`tests/support/net/${name}.c`, `${folder}/${name}`);
  }
  return folder;
}
