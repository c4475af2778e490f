import { runtimeFeatures } from "../../shim/features.ts";

/** `features`: what this runtime can do. */
export function features(): string {
  return JSON.stringify(runtimeFeatures(), null, 2) + "\n";
}
