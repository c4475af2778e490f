import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { parseBundle, readBundle } from "./bundle.ts";

const MINIMAL = {
  ociVersion: "1.0.2",
  root: { path: "rootfs" },
  process: { terminal: true },
};

Deno.test("parseBundle makes the root path absolute and finds the terminal", () => {
  const config = parseBundle(JSON.stringify(MINIMAL), "/b");
  assertEquals(config.rootPath, "/b/rootfs");
  assertEquals(config.terminal, true);
  assertEquals(config.annotations, {});
});

Deno.test("parseBundle names the file and the fault", () => {
  const cases: [string, string][] = [
    [
      '{"ociVersion":"1.0.2","root":{"pa',
      'Cannot use bundle configuration "/b/config.json"',
    ],
    ["[]", "it is not a JSON object"],
    ["{}", '"ociVersion" is missing'],
    ['{"ociVersion":"1","root":{}}', '"root.path" is missing'],
    ['{"ociVersion":"1","root":7}', '"root" is not an object'],
    [
      '{"ociVersion":"1","root":{"path":"r"},"annotations":{"a":1}}',
      'annotation "a" is not a string',
    ],
  ];
  for (const [text, message] of cases) {
    assertThrows(() => parseBundle(text, "/b"), RuntimeError, message);
  }
});

Deno.test("parseBundle either parses or refuses, whatever the JSON", () => {
  fc.assert(fc.property(fc.json(), (text) => {
    try {
      parseBundle(text, "/b");
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
  }));
});

Deno.test("readBundle says which file is missing", async () => {
  await assertRejects(
    () => readBundle("/nowhere"),
    RuntimeError,
    '"/nowhere/config.json"',
  );
});
