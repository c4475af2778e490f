import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { parseResizeLine, resizeLine } from "./resize_volume.ts";

const PATH = fc.string({ unit: "grapheme" }).map((name) => `/${name}`);

Deno.test("parseResizeLine reads what resizeLine writes, on one line whatever the path", () => {
  fc.assert(fc.property(PATH, fc.integer({ min: 1 }), (volume, bytes) => {
    const line = resizeLine({ volume, bytes });
    assertEquals(/^[\x21-\x7e]+ \d+ [\x21-\x7e]+$/.test(line), true, line);
    assertEquals(parseResizeLine(line), { volume, bytes });
  }));
});

Deno.test("parseResizeLine leaves other words alone, and refuses what is not exact", () => {
  for (const other of ["", "metrics", "resize-volumes 1 /x"]) {
    assertEquals(parseResizeLine(other), undefined);
  }
  for (const bad of ["", " 1", " 0 /x", " 1k /x", " 1 x", " 1 %", " 1 /x y", " 1 /%ff"]) {
    assertThrows(() => parseResizeLine(`resize-volume${bad}`), RuntimeError, "Not a request");
  }
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      return parseResizeLine(`resize-volume ${text}`)?.volume.startsWith("/") === true;
    } catch (error) {
      return error instanceof RuntimeError;
    }
  }));
});
