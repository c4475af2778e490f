import { assertEquals } from "@std/assert";
import { offlineConfig, onlineLock } from "./modules_config.ts";

Deno.test("offlineConfig links the stand-ins and freezes the committed lock file", () => {
  assertEquals(offlineConfig({ imports: { a: "b" }, lock: { path: "x" } }), {
    imports: { a: "b" },
    links: ["./tools/std"],
    lock: { path: "./deno.lock", frozen: true },
  });
});

Deno.test("onlineLock keeps the npm packages and drops what belongs to the stand-ins", () => {
  const npm = { "a@1.0.0": { integrity: "sha512-x" } };
  assertEquals(onlineLock({ version: "5", npm, workspace: { links: {} } }), { version: "5", npm });
});
