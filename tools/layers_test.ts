import { assertEquals, assertStringIncludes } from "@std/assert";
import { diagram, globalViolation, importViolation, moduleViolation } from "./layers.ts";
import plugin from "./layers_plugin.ts";

/** Imports that the design allows. */
const ALLOWED: readonly [string, string][] = [
  ["mod.ts", "runtime/cli/main.ts"],
  ["runtime/cli/main.ts", "runtime/shim/task.ts"],
  ["runtime/shim/task.ts", "runtime/shim/events.ts"],
  ["runtime/sandbox/sandbox.ts", "runtime/share_fs/share_fs.ts"],
  ["runtime/sandbox/sandbox.ts", "runtime/hypervisor/drivers.ts"],
  ["runtime/hypervisor/drivers.ts", "runtime/hypervisor/qemu/driver.ts"],
  ["runtime/hypervisor/qemu/driver.ts", "runtime/hypervisor/hypervisor.ts"],
  ["runtime/hypervisor/qemu/driver.ts", "runtime/hypervisor/qemu/qmp.ts"],
  ["runtime/config/load.ts", "common/base/errors.ts"],
  ["agent/main.ts", "agent/server/service.ts"],
  ["agent/container/crun.ts", "common/linux/spawn.ts"],
  ["common/protocol/ttrpc/client.ts", "common/linux/fd_stream.ts"],
  ["common/linux/mount_test.ts", "tests/support/leaks.ts"],
  ["tools/try.ts", "tests/support/containerd.ts"],
  ["tests/integration/run_test.ts", "runtime/config/load.ts"],
];

/** Imports that it forbids. */
const FORBIDDEN: readonly [string, string][] = [
  ["runtime/shim/task.ts", "runtime/cli/main.ts"],
  ["runtime/storage/mounts.ts", "runtime/share_fs/share_fs.ts"],
  ["runtime/sandbox/sandbox.ts", "runtime/hypervisor/qemu/driver.ts"],
  ["runtime/hypervisor/qemu/driver.ts", "runtime/hypervisor/firecracker/driver.ts"],
  ["runtime/hypervisor/hypervisor.ts", "runtime/hypervisor/drivers.ts"],
  ["runtime/agent_client/client.ts", "runtime/hypervisor/hypervisor.ts"],
  ["runtime/sandbox/sandbox.ts", "agent/server/service.ts"],
  ["agent/server/service.ts", "runtime/config/load.ts"],
  ["agent/container/crun.ts", "agent/network/links.ts"],
  ["common/base/errors.ts", "common/linux/libc.ts"],
  ["common/linux/libc.ts", "common/protocol/ttrpc/frame.ts"],
  ["common/base/log.ts", "runtime/config/load.ts"],
  ["runtime/shim/task.ts", "tests/support/leaks.ts"],
  ["unknown/file.ts", "common/base/errors.ts"],
];

Deno.test("importViolation allows what the design allows", () => {
  for (const [from, to] of ALLOWED) {
    assertEquals(importViolation(from, to), undefined, `${from} -> ${to}`);
  }
});

Deno.test("importViolation names both files of a forbidden import", () => {
  for (const [from, to] of FORBIDDEN) {
    assertStringIncludes(importViolation(from, to) ?? "allowed", from, `${from} -> ${to}`);
  }
});

Deno.test("globalViolation keeps each part of Deno in its place", () => {
  assertEquals(globalViolation("common/linux/libc.ts", "Deno.dlopen"), undefined);
  assertEquals(globalViolation("runtime/sandbox/sandbox.ts", "Deno.readFile"), undefined);
  assertEquals(globalViolation("runtime/sandbox/sandbox_test.ts", "Deno.Command"), undefined);
  for (
    const [from, global] of [
      ["runtime/sandbox/sandbox.ts", "Deno.dlopen"],
      ["runtime/hypervisor/qemu/driver.ts", "Deno.Command"],
      ["common/base/log.ts", "Deno.env"],
      ["runtime/shim/task.ts", "Deno.args"],
      ["agent/container/crun_test.ts", "Deno.dlopen"],
    ] as const
  ) assertStringIncludes(globalViolation(from, global) ?? "allowed", from);
});

Deno.test("moduleViolation wants packages named in deno.json, and @std/log in one file", () => {
  assertEquals(moduleViolation("common/base/log.ts", "@std/log"), undefined);
  assertStringIncludes(
    moduleViolation("runtime/shim/task.ts", "@std/log") ?? "",
    "common/base/log.ts",
  );
  assertStringIncludes(moduleViolation("common/base/log.ts", "npm:left-pad@1") ?? "", "deno.json");
});

/** What the plugin says about a text, as if it stood in that file. */
function lint(path: string, text: string): string[] {
  const filename = new URL(`../${path}`, import.meta.url).pathname;
  return Deno.lint.runPlugin(plugin, filename, text).map((found) => found.message);
}

Deno.test("the lint plugin sees static, dynamic, type-only and re-exporting imports", () => {
  const source = [
    'import { a } from "../cli/main.ts";',
    'import type { B } from "../cli/main.ts";',
    'export { c } from "../cli/main.ts";',
    'export * from "../cli/main.ts";',
    'const d = await import("../cli/main.ts");',
  ];
  assertEquals(lint("runtime/shim/task.ts", source.join("\n")).length, source.length);
});

Deno.test("the lint plugin sees Deno's guarded parts, and nothing where all is well", () => {
  assertEquals(
    lint("runtime/shim/task.ts", 'Deno.dlopen("libc.so.6", {}); new Deno.Command("ls");').length,
    2,
  );
  assertEquals(
    lint("runtime/shim/task.ts", 'import { a } from "./events.ts"; Deno.readFile("x");'),
    [],
  );
});

Deno.test("diagram draws each layer once and arrows downwards", () => {
  const text = diagram();
  assertStringIncludes(text, 'runtime_shim_["runtime/shim/"]');
  assertStringIncludes(text, "runtime_pod_daemon_ --> runtime_shim_");
  assertStringIncludes(text, "common_linux_ --> common_base_");
});
