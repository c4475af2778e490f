import { ROOT } from "../../tools/lib/paths.ts";

/** The configuration that tools/deno runs with, for a Deno that a test starts by itself. */
export function denoConfig(): string {
  const offline = `${ROOT}/deno.offline.json`;
  try {
    Deno.statSync(offline);
    return offline;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `${ROOT}/deno.json`;
    throw error;
  }
}
