import { assertEquals, assertNotEquals } from "@std/assert";
import { command } from "./command.ts";
import { bundle, compile, type Program } from "./program.ts";

const PROGRAM: Program = { name: "probe", entry: "probe.ts", v8Flags: ["--max-old-space-size=64"] };

async function writeProgram(root: string, greeting: string): Promise<void> {
  await Deno.writeTextFile(`${root}/lazy.ts`, `export const greeting = "${greeting}";`);
  await Deno.writeTextFile(
    `${root}/probe.ts`,
    'const { greeting } = await import("./lazy.ts"); console.log(greeting, ...Deno.args);',
  );
}

Deno.test("a compiled program runs, with its lazily imported parts", async () => {
  const root = await Deno.makeTempDir();
  try {
    await writeProgram(root, "hello");
    const bundled = await bundle(PROGRAM, root);
    await compile(bundled, `${root}/probe`);
    assertEquals((await command([`${root}/probe`, "you"])).stdout, "hello you\n");
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("the same sources give the same program, byte by byte", async () => {
  const root = await Deno.makeTempDir();
  try {
    await writeProgram(root, "hello");
    await compile(await bundle(PROGRAM, root), `${root}/one`);
    await compile(await bundle(PROGRAM, root), `${root}/two`);
    assertEquals((await command(["cmp", `${root}/one`, `${root}/two`])).code, 0);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("a bundle's key changes with its code and only then", async () => {
  const root = await Deno.makeTempDir();
  try {
    await writeProgram(root, "hello");
    const { key } = await bundle(PROGRAM, root);
    assertEquals((await bundle(PROGRAM, root)).key, key);
    await writeProgram(root, "goodbye");
    assertNotEquals((await bundle(PROGRAM, root)).key, key);
    await writeProgram(root, "hello");
    assertNotEquals((await bundle({ ...PROGRAM, v8Flags: [] }, root)).key, key);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
