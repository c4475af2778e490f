import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { mountName, shareLayout } from "./layout.ts";

Deno.test("shareLayout and mountName refuse ids that would leave the folder", () => {
  for (const id of ["", ".", "..", "a/b", "../x", "a\0", "-x", "x".repeat(129)]) {
    assertThrows(() => shareLayout("/run/x", id), RuntimeError, "sandbox id");
    assertThrows(
      () => mountName(id, "/etc/hosts", new Uint8Array(8)),
      RuntimeError,
      "container id",
    );
  }
});

Deno.test("mountName is one path component whatever the destination", () => {
  assertEquals(
    mountName("c1", "/etc/resolv.conf", new Uint8Array(8)),
    "c1-0000000000000000-resolv.conf",
  );
  assertEquals(mountName("c1", "/", new Uint8Array(8).fill(255)), "c1-ffffffffffffffff-root");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (destination) => {
    const name = mountName("c1", destination, new Uint8Array(8));
    assert(/^[A-Za-z0-9_.-]{1,255}$/.test(name), name);
  }));
});
