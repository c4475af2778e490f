/** Compares a kernel's fragment with the configuration that came of it. */

/**
 * Settings of a fragment that the configuration does not hold, as written there:
 * misspelt, gone from this version, or with a dependency that is not met.
 */
export function lostSymbols(fragment: string, config: string): string[] {
  const held = new Set(config.split("\n"));
  return settings(fragment).filter((line) => !held.has(line));
}

/** The lines "CONFIG_X=value" and "# CONFIG_X is not set" of a fragment. */
export function settings(fragment: string): string[] {
  return fragment.split("\n").filter((line) =>
    /^(CONFIG_\w+=.+|# CONFIG_\w+ is not set)$/.test(line)
  );
}
