import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { containerCgroup, withVmBelow } from "./container_cgroup.ts";

function names(cgroupsPath?: string): string {
  return containerCgroup(cgroupsPath === undefined ? {} : { linux: { cgroupsPath } }, "id").join(
    "/",
  );
}

Deno.test("containerCgroup is the one that runc would make", () => {
  assertEquals(names("/docker/abc"), "docker/abc");
  assertEquals(names("libpod_parent/libpod-1"), "libpod_parent/libpod-1");
  assertEquals(names("machine.slice:libpod:abc"), "machine.slice/libpod-abc.scope");
  assertEquals(names("a-b.slice:crio:abc"), "a.slice/a-b.slice/crio-abc.scope");
  assertEquals(names(), "kata-containers/id");
});

Deno.test("containerCgroup leads nowhere else than down", () => {
  assertThrows(() => names("/a/../../b"), RuntimeError, "upwards");
  assertThrows(() => names("x:y:z"), RuntimeError, "no slice");
});

Deno.test("withVmBelow puts the VM's cgroup into the container's own", () => {
  assertEquals(withVmBelow({ linux: { cgroupsPath: "/docker/abc", x: 1 } }, "id"), {
    linux: { cgroupsPath: "/docker/abc/x", x: 1 },
  });
});
