import { runtimeFeatures } from "../../shim/features.ts";
import { checkCount, NO_WORDS } from "./find.ts";
import { parseFlags } from "./flags.ts";

/** `features`: what this runtime can do. */
export function features(args: readonly string[]): string {
  checkCount(parseFlags({}, args).rest, "features", NO_WORDS);
  return JSON.stringify(runtimeFeatures(), null, 2) + "\n";
}
