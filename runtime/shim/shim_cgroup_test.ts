import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { joinCgroup } from "./shim_cgroup.ts";

function folders(...paths: string[]): string {
  const root = Deno.makeTempDirSync();
  for (const path of paths) {
    Deno.mkdirSync(`${root}/${path}`, { recursive: true });
    Deno.writeTextFileSync(`${root}/${path}/cgroup.procs`, "");
  }
  return root;
}

Deno.test("joinCgroup writes to every hierarchy of v1 that has the cgroup", () => {
  const root = folders("cpu/shims", "memory/shims", "pids");
  joinCgroup("/shims", 42, root);
  const procs = ["cpu/shims", "memory/shims", "pids"].map((path) =>
    Deno.readTextFileSync(`${root}/${path}/cgroup.procs`)
  );
  assertEquals(procs, ["42", "42", ""]);
});

Deno.test("joinCgroup writes to v2's one tree", () => {
  const root = folders("shims");
  Deno.writeTextFileSync(`${root}/cgroup.controllers`, "cpu\n");
  joinCgroup("shims", 42, root);
  assertEquals(Deno.readTextFileSync(`${root}/shims/cgroup.procs`), "42");
});

Deno.test("joinCgroup refuses a cgroup that is not there, or above", () => {
  const root = folders("cpu");
  assertThrows(() => joinCgroup("/none", 42, root), RuntimeError, `"/none": there is none`);
  assertThrows(() => joinCgroup("/../x", 42, root), RuntimeError, "upwards");
});
