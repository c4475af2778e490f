import { VERSION } from "../../common/base/version.ts";
import { SPEC_VERSION } from "./oci/spec.ts";

/** What `--version` prints: engines read the first line. */
export function versionText(): string {
  return `kata-runtime version ${VERSION}\nspec: ${SPEC_VERSION}\n`;
}
