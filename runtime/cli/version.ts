import { VERSION } from "../../common/base/version.ts";
import { parseFlags } from "./oci/flags.ts";
import { SPEC_VERSION } from "./oci/spec.ts";

/** What `--version` prints: engines read the first line. */
export function versionText(args: readonly string[] = []): string {
  const { switches } = parseFlags({ json: { kind: "switch" } }, args);
  if (switches.has("json")) {
    return `${JSON.stringify({ version: VERSION, ociVersion: SPEC_VERSION })}\n`;
  }
  return `kata-runtime version ${VERSION}\nspec: ${SPEC_VERSION}\n`;
}
