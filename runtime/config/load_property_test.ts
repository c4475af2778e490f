import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { stringify } from "@std/toml";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { buildConfig, type RuntimeConfig } from "./load.ts";
import { effectiveToml } from "./render.ts";
import { SCHEMA } from "./schema/schema.ts";

const AROUND = { binaryDir: "/opt/kata", searchPath: "/nowhere" };

function load(text: string): RuntimeConfig {
  return buildConfig([{ name: "/etc/x.toml", text }], AROUND);
}

const SCALAR = fc.oneof(
  fc.string(),
  fc.boolean(),
  fc.integer(),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.array(fc.string(), { maxLength: 3 }),
  fc.array(fc.integer(), { maxLength: 3 }),
);
const NAMES = Object.values(SCHEMA).flatMap((section) => Object.keys(section));
const KEYS = fc.oneof(
  fc.constantFrom(...NAMES),
  fc.string(),
  fc.constantFrom("factory", "mem_agent", "__proto__", "toString"),
);
const SECTION = fc.dictionary(KEYS, fc.oneof(SCALAR, fc.dictionary(KEYS, SCALAR, { maxKeys: 3 })), {
  maxKeys: 4,
});
const DOCUMENT = fc.record({
  hypervisor: fc.oneof(
    SCALAR,
    fc.dictionary(fc.constantFrom("qemu", "clh", "firecracker", "x"), SECTION, { maxKeys: 2 }),
  ),
  agent: fc.oneof(
    SCALAR,
    fc.dictionary(fc.constantFrom("kata", "__proto__"), SECTION, { maxKeys: 2 }),
  ),
  runtime: fc.oneof(SCALAR, SECTION),
  factory: fc.oneof(SCALAR, SECTION),
}, { requiredKeys: [] });

/** Loads, or fails with an error that says where. */
function loadsOrComplains(text: string): void {
  try {
    assert(Object.isFrozen(load(text)));
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    assert(/^"\/etc\/x\.toml"( line \d+)?: ./.test(error.message), error.message);
  }
}

Deno.test("loadConfig of any TOML loads or says where the fault is", () => {
  fc.assert(fc.property(DOCUMENT, (data) => loadsOrComplains(stringify(data))), { numRuns: 300 });
});

Deno.test("loadConfig of any text loads or says where the fault is", () => {
  const pieces = fc.array(
    fc.constantFrom(..."[]{}=.,#\"'\\\n \ta1", "[hypervisor.qemu]\n", "path", '"""', "\ud800"),
  );
  fc.assert(
    fc.property(
      fc.oneof(pieces.map((parts) => parts.join("")), fc.string({ unit: "binary" })),
      loadsOrComplains,
    ),
  );
});

Deno.test("a mutated key is an error on its line, whatever surrounds it", () => {
  const mutated = fc.tuple(fc.constantFrom(...NAMES), fc.nat(), fc.constantFrom("x", "_", "9")).map(
    ([name, at, letter]) => {
      const cut = at % name.length;
      return `${name.slice(0, cut)}${letter}${name.slice(cut)}`;
    },
  ).filter((name) => !NAMES.includes(name));
  const filler = fc.array(fc.constantFrom("", "# kernel = 1", "  "), { maxLength: 5 });
  fc.assert(fc.property(mutated, filler, filler, (name, before, after) => {
    const text = ["[hypervisor.qemu]", ...before, `${name} = 1`, ...after].join("\n");
    assertStringIncludes(
      assertThrows(() => load(text), RuntimeError).message,
      `line ${before.length + 2}: unknown key "${name}" in [hypervisor.qemu]`,
    );
  }));
});

Deno.test("effectiveToml loads again to the same configuration, without secrets", () => {
  const params = fc.string({ unit: "grapheme" }).filter((text) =>
    ![...text].some((it) => it < " " || it === "\x7f") && !/__proto__/i.test(text) // refused by name
  );
  fc.assert(
    fc.property(
      params,
      fc.integer({ min: 256, max: 4096 }),
      fc.constantFrom("clh", "firecracker"),
      (words, memory, vmm) => {
        const text = stringify({
          hypervisor: {
            [vmm]: {
              kernel_params: words,
              default_memory: memory,
              kernel: "/etc/passwd",
              initrd: "/etc/passwd",
            },
          },
          runtime: { jaeger_password: "hunter2" },
        });
        const config = buildConfig([{ name: "x", text }], { binaryDir: "", searchPath: "" });
        const rendered = effectiveToml(config);
        assert(!rendered.includes("hunter2"));
        const again = load(rendered.replace(/^path = .*$/m, ""));
        assertEquals(again.hypervisor, config.hypervisor);
        assertEquals(again.runtime, { ...config.runtime, jaegerPassword: "********" });
      },
    ),
  );
});
