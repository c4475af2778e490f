import { assertEquals } from "@std/assert";
import { sharedFsOf } from "./shared_fs.ts";

Deno.test("sharedFsOf decides what auto leaves open, and nothing else", () => {
  const auto = { sharedFs: "auto", rootless: false } as const;
  assertEquals(sharedFsOf({ ...auto, name: "qemu" }), "virtio-9p");
  assertEquals(sharedFsOf({ ...auto, name: "qemu", rootless: true }), "virtio-fs");
  assertEquals(sharedFsOf({ ...auto, name: "clh" }), "virtio-fs");
  assertEquals(sharedFsOf({ ...auto, name: "firecracker" }), "none");
  assertEquals(sharedFsOf({ ...auto, name: "qemu", sharedFs: "none" }), "none");
});
