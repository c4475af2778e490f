import { assertEquals, assertThrows } from "@std/assert";
import { parse, stringify } from "@std/toml";

Deno.test("parse returns plain objects with Object's prototype, as std documents", () => {
  const value = parse('[a.b]\nc = 1\nd = ["x", { e = true }]\nf = 1.5\n');
  assertEquals(value, { a: { b: { c: 1, d: ["x", { e: true }], f: 1.5 } } });
  assertEquals(Object.getPrototypeOf(value), Object.prototype);
});

Deno.test("parse returns dates as Date and keeps a key named __proto__ a key", () => {
  assertEquals(parse("d = 1979-05-27T07:32:00Z"), { d: new Date("1979-05-27T07:32:00Z") });
  assertEquals(Object.keys(parse("__proto__ = 1")), ["__proto__"]);
});

Deno.test("parse throws SyntaxError for what is not TOML", () => {
  for (const text of ["a =", "a = 1\na = 2", "[a", 'b = "\u0000"']) {
    assertThrows(() => parse(text), SyntaxError);
  }
});

Deno.test("parse reads back what stringify wrote", () => {
  const value = { a: 1, b: ["x", "y\n"], c: { d: true, e: { f: 1.5 } }, g: [{ h: 1 }, { h: 2 }] };
  assertEquals(parse(stringify(value)), value);
});
