import { messageOf } from "../../common/base/errors.ts";
import { loadConfig, requireAssets } from "../config/load.ts";
import { OciError } from "./oci/oci_error.ts";
import type { Globals } from "./oci/globals.ts";

/** `config check [FILE]`: whether a configuration can be used, with its drop-ins. */
export function config(globals: Globals, args: readonly string[]): string {
  const [verb, file, surplus] = args;
  if (verb !== "check" || surplus !== undefined) {
    throw new OciError("usage: kata-runtime config check [FILE]", 2);
  }
  try {
    const loaded = loadConfig({ path: file ?? globals.config });
    requireAssets(loaded);
    const from = loaded.sources.join(", ") || "built-in defaults";
    return [...loaded.warnings.map((warning) => `warning: ${warning}`), `ok: ${from}`, ""].join(
      "\n",
    );
  } catch (error) {
    throw new OciError(messageOf(error));
  }
}
