import { assertEquals, assertStringIncludes } from "@std/assert";
import { GUEST_DIR, readManifest } from "../build/manifest.ts";
import { BUILDROOT_DIR, LIST_PATH, rootfsList } from "./generate.ts";

const DEFCONFIG = `${BUILDROOT_DIR}configs/kata_x86_64_defconfig`;

async function settings(): Promise<Map<string, string>> {
  const lines = (await Deno.readTextFile(DEFCONFIG)).split("\n").filter((line) =>
    line.startsWith("BR2_")
  );
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** Runs post-build.sh on a folder. */
async function postBuild(target: string): Promise<{ success: boolean; message: string }> {
  const script = `${BUILDROOT_DIR}board/kata/post-build.sh`;
  const { success, stderr } = await new Deno.Command("sh", { args: [script, target] }).output();
  return { success, message: new TextDecoder().decode(stderr) };
}

Deno.test("rootfs.list is what guest/rootfs.json gives; if not, run guest/buildroot/generate.ts", async () => {
  assertEquals(await Deno.readTextFile(LIST_PATH), rootfsList(await readManifest()));
});

Deno.test("the defconfig selects a package for each program of the manifest", async () => {
  const { programs, kernel } = await readManifest(), chosen = await settings();
  const needed = [...programs.flatMap(({ buildroot }) => buildroot), ...kernel.buildroot];
  assertEquals(needed.filter((symbol) => chosen.get(symbol) !== "y"), []);
});

Deno.test("the defconfig names files of this tree only where they are", async () => {
  for (const value of (await settings()).values()) {
    const [, path] = /^"\$\(BR2_EXTERNAL_KATA_PATH\)\/(.*)"$/.exec(value) ?? [];
    if (path !== undefined) await Deno.stat(BUILDROOT_DIR + path);
  }
});

Deno.test("the defconfig leaves the agent as it is: strip would destroy it", async () => {
  assertEquals((await settings()).get("BR2_STRIP_EXCLUDE_FILES"), '"kata-agent"');
});

Deno.test("linux.fragment takes back nothing of kernel.fragment", async () => {
  const off = (await Deno.readTextFile(`${BUILDROOT_DIR}board/kata/linux.fragment`)).match(
    /CONFIG_\w+(?= is not set)/g,
  );
  const fragment = await Deno.readTextFile(`${GUEST_DIR}kernel.fragment`);
  assertEquals(off?.filter((symbol) => fragment.includes(`${symbol}=`)), []);
});

Deno.test("post-build.sh makes folders and links, and names what is missing", async () => {
  const target = await Deno.makeTempDir();
  try {
    const first = await postBuild(target);
    assertEquals(first.success, false);
    assertStringIncludes(first.message, " usr/bin/crun");
    for (
      const line of rootfsList(await readManifest()).split("\n").filter((line) =>
        line.startsWith("require ")
      )
    ) {
      const path = `${target}/${line.slice("require ".length)}`;
      await Deno.mkdir(path, { recursive: true });
    }
    assertEquals(await postBuild(target), { success: true, message: "" });
    assertEquals(await Deno.readLink(`${target}/bin/sh`), "/bin/busybox");
    assertEquals(((await Deno.stat(`${target}/tmp`)).mode ?? 0) & 0o7777, 0o1777);
  } finally {
    await Deno.remove(target, { recursive: true });
  }
});
