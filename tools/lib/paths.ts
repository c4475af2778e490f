/** Where the tools find and put things. */

/** The top folder of the clone, without a slash at its end. */
export const ROOT = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");

/** Where `tools/build` puts what is installed on a node. */
export const DIST = `${ROOT}/dist`;

/** The folder for what is fetched or made once; tools/lib/env.sh exports it. */
export function cacheDir(): string {
  const home = Deno.env.get("HOME") ?? "/root";
  const base = Deno.env.get("XDG_CACHE_HOME") ?? `${home}/.cache`;
  return Deno.env.get("KATA_CACHE") ?? `${base}/kata-on-deno`;
}
