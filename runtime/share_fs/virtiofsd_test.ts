import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { checkExtraArgs, virtiofsdArguments } from "./virtiofsd.ts";

const OPTIONS = {
  virtioFsDaemon: "/usr/libexec/virtiofsd",
  virtioFsCache: "never",
  virtioFsExtraArgs: ["--thread-pool-size=1"],
  virtioFsQueueSize: 1024,
} as const;

Deno.test("virtiofsdArguments sandboxes either program and speaks its language", () => {
  const c = virtiofsdArguments(OPTIONS, { kind: "c", folder: "/f", maxFiles: 9 }).join(" ");
  assert(c.includes("source=/f") && c.includes("cache=none") && c.includes("sandbox=namespace"), c);
  assert(c.includes("--rlimit-nofile=9") && c.endsWith("--thread-pool-size=1"), c);
  const rust = virtiofsdArguments(OPTIONS, { kind: "rust", folder: "/f" }).join(" ");
  assert(rust.includes("--sandbox=namespace --seccomp=kill --cache=never"), rust);
});

Deno.test("checkExtraArgs passes what the original ships, and nothing that widens the export", () => {
  const shipped = ["--thread-pool-size=1", "-o", "announce_submounts"];
  assertEquals(checkExtraArgs(shipped), shipped);
  for (
    const bad of [
      ["--shared-dir=/"],
      ["--shared-dir", "/"],
      ["-o", "source=/"],
      ["-o", "xattr,source=/"],
      ["-osource=/"],
      ["-o"],
      ["--sandbox=none"],
      ["--seccomp=none"],
      ["--modcaps=+sys_admin"],
      ["--fd=4"],
      ["--socket-path=/x"],
      ["-o", "-o", "source=/"],
    ]
  ) assertThrows(() => checkExtraArgs(bad), RuntimeError, "virtio_fs_extra_args");
});

Deno.test("checkExtraArgs never lets a path through", () => {
  fc.assert(fc.property(fc.array(fc.string()), fc.string(), (before, path) => {
    try {
      return !checkExtraArgs([...before, `/${path}`]).some((arg) => arg.startsWith("/"));
    } catch (error) {
      return error instanceof RuntimeError;
    }
  }));
});
