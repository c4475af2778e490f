import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../../common/base/errors.ts";
import { cgroupPaths } from "./cgroup_path.ts";

function pod(path: string | undefined): string {
  return cgroupPaths(path, "k").pod.join("/");
}

Deno.test("cgroupPaths puts a pod's cgroup beside those that runc would make", () => {
  assertEquals(pod("/kubepods/burstable/pod1/abc"), "kubepods/burstable/pod1/kata_k");
  assertEquals(pod("/default/abc"), "default/kata_k");
  assertEquals(pod("default//./abc/"), "default/kata_k");
  assertEquals(pod("/"), "kata_k");
  assertEquals(pod(undefined), "kata-containers/kata_k");
  assertEquals(pod(""), "kata-containers/kata_k");
  assertEquals(cgroupPaths("/a/b", "k").overhead, ["kata_overhead", "k"]);
});

Deno.test("cgroupPaths understands systemd's form", () => {
  assertEquals(
    pod("kubepods-burstable-pod1.slice:cri-containerd:abc"),
    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/kata_k",
  );
  assertEquals(pod("system.slice:docker:abc"), "system.slice/kata_k");
  assertEquals(pod(":docker:abc"), "kata_k");
  assertEquals(pod("-.slice:docker:abc"), "kata_k");
});

Deno.test("cgroupPaths refuses what leads elsewhere", () => {
  const refused = (path: string, why: string) => assertThrows(() => pod(path), RuntimeError, why);
  refused("/a/../../b", "upwards");
  refused("../b", "upwards");
  refused("/a\nb/c", "control character");
  refused("/a\0b/c", "control character");
  refused(`/${"x".repeat(300)}/c`, "too long");
  refused("/a".repeat(3000), "too long");
  refused("kubepods:cri:abc", "no slice");
  refused("a--b.slice:cri:abc", "no slice");
  assertThrows(() => cgroupPaths(7, "k"), RuntimeError, "linux.cgroupsPath");
});

Deno.test("cgroupPaths never leads upwards, whatever it is given", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("/", ".", "-", ":", "a", "\0") }), (path) => {
      let names: readonly string[];
      try {
        names = cgroupPaths(path, "k").pod;
      } catch (error) {
        assert(error instanceof RuntimeError);
        return;
      }
      assertEquals(names.at(-1), "kata_k");
      assert(names.every((name) => name !== "" && name !== "." && !/^\.\.$|[/\0]/.test(name)));
    }),
  );
});
