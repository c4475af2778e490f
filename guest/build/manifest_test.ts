import { assertEquals } from "@std/assert";
import { exists } from "./packages.ts";
import { appletLinks, GUEST_DIR, type Manifest, readManifest } from "./manifest.ts";
import { withFolders } from "./tree.ts";

/** Every path at which the manifest puts something. */
function allPaths(manifest: Manifest): string[] {
  return [
    ...manifest.directories,
    ...manifest.symlinks,
    ...manifest.devices,
    ...manifest.files,
    manifest.init,
    manifest.agent,
    ...manifest.programs.flatMap(({ files, aliases = [] }) => [...files, ...aliases]),
    ...appletLinks(manifest.applets),
  ].map(({ path }) => path);
}

Deno.test("rootfs.json puts each thing at a plain path of its own", async () => {
  const paths = allPaths(await readManifest());
  assertEquals(
    paths.filter((path) => !/^[a-zA-Z0-9._[\]-]+(\/[a-zA-Z0-9._[\]-]+)*$/.test(path)),
    [],
  );
  assertEquals(paths.filter((path, index) => paths.indexOf(path) !== index), []);
});

Deno.test("rootfs.json names only sources that exist", async () => {
  const { files, init } = await readManifest();
  for (const { source } of [...files, init]) {
    assertEquals(await exists(GUEST_DIR + source), true, source);
  }
});

Deno.test("rootfs.json has what the start and the agent rely on", async () => {
  const paths = new Set(allPaths(await readManifest()));
  const needed = [
    "init",
    "dev/console",
    "proc",
    "sys",
    "dev",
    "run",
    "mnt",
    "tmp",
    "etc/resolv.conf",
    "etc/passwd",
    "etc/group",
    "usr/bin/crun",
    "sbin/ip",
    "sbin/mkfs.ext4",
    "sbin/resize2fs",
    "sbin/iptables-restore",
    "sbin/modprobe",
  ];
  assertEquals(needed.filter((path) => !paths.has(path)), []);
});

Deno.test("resolv.conf is empty, for the agent to bind over", async () => {
  assertEquals(await Deno.readTextFile(`${GUEST_DIR}overlay/etc/resolv.conf`), "");
});

Deno.test("withFolders adds each missing folder once", () => {
  const at = (path: string) => ({ kind: "directory", path, mode: 0o755 }) as const;
  assertEquals(withFolders([at("a"), at("a/b/c"), at("a/b/d")]).map(({ path }) => path), [
    "a",
    "a/b/c",
    "a/b/d",
    "a/b",
  ]);
});
