/** The configuration that suites run our shim with. */
import { DIST } from "../../tools/lib/paths.ts";

/** Long enough for anything that an emulated guest does on a busy machine, in seconds. */
const GUEST_TIMEOUT_S = 300;

/**
 * Writes it into a folder; it suits a copy of the shim that stands alone, as one test makes it, too.
 * @returns Its path.
 */
export async function writeGuestConfig(folder: string): Promise<string> {
  const path = `${folder}/configuration.toml`;
  const lines = [
    ...["[hypervisor.qemu]", `kernel = "${DIST}/vmlinux"`, `initrd = "${DIST}/initrd.img"`],
    ...["[agent.kata]", `dial_timeout = ${GUEST_TIMEOUT_S}`],
    ...["[runtime]", `create_container_timeout = ${GUEST_TIMEOUT_S}`],
  ];
  await Deno.writeTextFile(path, lines.join("\n") + "\n");
  return path;
}
