import { type BundleConfig, isObject } from "./bundle.ts";

const RESOLV_CONF = "/etc/resolv.conf";
/** The longest file that is read, in bytes; a resolver looks at three servers and some search domains. */
const MAX_BYTES = 64 * 1024;

/** The host's file that the engine wants to be the container's resolv.conf. */
function sourceOf({ json }: BundleConfig): string | undefined {
  const mounts = Array.isArray(json.mounts) ? json.mounts.filter(isObject) : [];
  const source = mounts.find(({ destination }) => destination === RESOLV_CONF)?.source;
  return typeof source === "string" && source.startsWith("/") ? source : undefined;
}

/** @returns `undefined` unless it is a plain file that can be read. */
async function readBounded(path: string): Promise<string | undefined> {
  try {
    const { isFile, size } = await Deno.stat(path);
    return isFile && size <= MAX_BYTES ? await Deno.readTextFile(path) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // sharing it with the container will say so
    throw error;
  }
}

/** The lines of the resolv.conf that the engine made for the pod, for what the guest itself looks up. */
export async function nameServers(bundle: BundleConfig): Promise<string[]> {
  const source = sourceOf(bundle);
  const text = source === undefined ? undefined : await readBounded(source);
  return (text ?? "").split("\n").map((line) => line.trim()).filter((line) => line !== "");
}
