import { Code, RuntimeError } from "../../common/base/errors.ts";

/** Folder, below the share, of what the configuration shows to every guest. Source: Kata's sandboxMountsDir. */
export const SANDBOX_MOUNTS = "sandbox-mounts";

/** A file or folder of the host for every guest. */
export interface SandboxMount {
  /** Absolute. */
  readonly source: string;
  /** What it is called in the guest: the last part of its path. */
  readonly name: string;
  readonly readonly: boolean;
}

/**
 * Reads `sandbox_bind_mounts`: absolute paths, read-only unless `:rw` follows.
 * @throws {RuntimeError} InvalidArgument: naming the key and what is wrong.
 */
export function sandboxMounts(entries: readonly string[]): SandboxMount[] {
  const names = new Set<string>();
  return entries.map((entry) => {
    const [, source = "", mode = "ro"] = /^(.*?)(?::(ro|rw))?$/s.exec(entry) ?? [];
    const name = source.split("/").findLast((part) => part !== "") ?? "";
    if (!source.startsWith("/") || name === "" || name === "." || name === "..") {
      throw invalid(entry, "is no absolute path of a file or folder");
    }
    if (names.has(name)) throw invalid(entry, `would be a second "${name}" in the guest`);
    names.add(name);
    return { source, name, readonly: mode !== "rw" };
  });
}

function invalid(entry: string, why: string): RuntimeError {
  return new RuntimeError(
    Code.InvalidArgument,
    `sandbox_bind_mounts: ${JSON.stringify(entry)} ${why}`,
  );
}
