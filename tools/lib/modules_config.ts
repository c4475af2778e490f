/**
 * Writes the configuration that decides where `@std` comes from; run by tools/setup.
 *
 *     modules_config.ts offline ROOT    deno.offline.json: deno.json plus a link to the stand-ins
 *     modules_config.ts online ROOT     deno.online.lock: the npm part of deno.lock
 *
 * Imports nothing: it runs before any module can be resolved.
 */

type Json = Record<string, unknown>;

/** deno.json with `@std` linked to tools/std and the lock file frozen. */
export function offlineConfig(config: Json): Json {
  return { ...config, links: ["./tools/std"], lock: { path: "./deno.lock", frozen: true } };
}

/** A lock file that pins the same npm packages and leaves `@std` to be resolved. */
export function onlineLock(lock: Json): Json {
  const { workspace: _, ...pinned } = lock;
  return pinned;
}

async function convert(from: string, to: string, change: (value: Json) => Json): Promise<void> {
  const value: Json = JSON.parse(await Deno.readTextFile(from));
  const text = JSON.stringify(change(value), null, 2) + "\n";
  const old = await Deno.readTextFile(to).catch(() => undefined);
  if (old === text) return await Deno.utime(to, new Date(), new Date());
  await Deno.writeTextFile(`${to}.tmp`, text);
  await Deno.rename(`${to}.tmp`, to);
}

if (import.meta.main) {
  const [mode, root] = Deno.args;
  if (mode === "offline") {
    await convert(`${root}/deno.json`, `${root}/deno.offline.json`, offlineConfig);
  } else await convert(`${root}/deno.lock`, `${root}/deno.online.lock`, onlineLock);
}
