import { assertEquals, assertThrows } from "@std/assert";
import { MNT_DETACH, mount, mountWithOptions, MS_BIND, unmount, unmountTree } from "./mount.ts";
import { isMountPoint, mountsUnder } from "./mountinfo.ts";
import { SyscallError } from "./syscall_error.ts";

/** A tmpfs of our own with two folders in it; all mounts below go away with it. */
function playground(): Disposable & { readonly path: string } {
  const path = Deno.realPathSync(Deno.makeTempDirSync({ suffix: "with blank" }));
  mount("tmpfs", path, "tmpfs", 0, "size=1m");
  Deno.mkdirSync(`${path}/a`);
  Deno.mkdirSync(`${path}/b`);
  return {
    path,
    [Symbol.dispose]: () => {
      unmountTree(path, MNT_DETACH);
      Deno.removeSync(path, { recursive: true });
    },
  };
}

Deno.test("mount and unmount are seen by isMountPoint", () => {
  using ground = playground();
  assertEquals(isMountPoint(ground.path), true);
  mount(`${ground.path}/a`, `${ground.path}/b`, "", MS_BIND);
  Deno.writeTextFileSync(`${ground.path}/a/file`, "seen");
  assertEquals(Deno.readTextFileSync(`${ground.path}/b/file`), "seen");
  assertEquals(isMountPoint(`${ground.path}/b`), true);
  unmount(`${ground.path}/b`);
  assertEquals(isMountPoint(`${ground.path}/b`), false);
  assertEquals(isMountPoint(`${ground.path}/no such`), false);
});

Deno.test("mountWithOptions makes a bind read-only and private in one call", () => {
  using ground = playground();
  const target = `${ground.path}/b`;
  mountWithOptions(`${ground.path}/a`, target, "bind", ["rbind", "ro", "nosuid", "rprivate"]);
  const [entry] = mountsUnder(target);
  assertEquals(entry?.options.slice(0, 2), ["ro", "nosuid"]);
  assertEquals(entry?.propagation, []);
  assertThrows(() => Deno.writeTextFileSync(`${target}/file`, ""), Error, "os error 30");
});

Deno.test("mountWithOptions makes a slave that receives but does not send", () => {
  using ground = playground();
  const [master, slave] = [`${ground.path}/a`, `${ground.path}/b`];
  mountWithOptions("tmpfs", master, "tmpfs", ["shared"]);
  mountWithOptions(master, slave, "", ["bind", "slave"]);
  Deno.mkdirSync(`${master}/x`);
  mount("tmpfs", `${master}/x`, "tmpfs", 0);
  assertEquals(isMountPoint(`${slave}/x`), true);
  unmount(`${slave}/x`);
  assertEquals(isMountPoint(`${master}/x`), true);
});

Deno.test("mount and unmount say what failed", () => {
  using ground = playground();
  const missing = `${ground.path}/none`;
  const failed = assertThrows(() => mount("tmpfs", missing, "tmpfs", 0), SyscallError);
  assertEquals([failed.call, failed.subject, failed.code], ["mount", missing, "ENOENT"]);
  assertEquals(assertThrows(() => unmount(`${ground.path}/a`), SyscallError).code, "EINVAL");
  const tooLong = "x".repeat(4096);
  assertThrows(() => mount("tmpfs", ground.path, "tmpfs", 0, tooLong), RangeError, "4096 bytes");
});

Deno.test("unmountTree takes stacked and nested mounts", () => {
  using ground = playground();
  mount("tmpfs", `${ground.path}/a`, "tmpfs", 0);
  mount("tmpfs", `${ground.path}/a`, "tmpfs", 0);
  Deno.mkdirSync(`${ground.path}/a/deep`);
  mount("tmpfs", `${ground.path}/a/deep`, "tmpfs", 0);
  unmountTree(`${ground.path}/a`);
  assertEquals(mountsUnder(`${ground.path}/a`), []);
  unmountTree(`${ground.path}/a`);
  assertEquals(isMountPoint(ground.path), true);
});
