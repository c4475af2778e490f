/** Files that are tried in order. Source: Kata Containers 4.1, default search order. */
const SEARCH = [
  "/etc/kata-containers/configuration.toml",
  "/usr/share/defaults/kata-containers/configuration.toml",
];

/** The configuration file of a node that names none; `undefined` where there is none. @param binaryDir Our program's folder. */
export function firstConfigFile(binaryDir: string): string | undefined {
  return [...SEARCH, `${binaryDir}/config.toml`].find(isThere);
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    return true; // it is there but cannot be read: reading it says why
  }
}
