import {
  assert,
  assertEquals,
  AssertionError,
  assertLess,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";

class Special extends TypeError {}

/** Each must throw AssertionError. */
const FAILURES: Readonly<Record<string, () => unknown>> = {
  "assert of a falsy value": () => assert(0),
  "different numbers": () => assertEquals<number>(1, 2),
  "number and text": () => assertEquals<unknown>(1, "1"),
  "0 and -0": () => assertEquals(0, -0),
  "a missing and an undefined property": () => assertEquals<unknown>({}, { a: undefined }),
  "different classes": () => assertEquals<unknown>(new Error("a"), new TypeError("a")),
  "different bytes": () => assertEquals(new Uint8Array([1]), new Uint8Array([2])),
  "equal values": () => assertNotEquals({ a: [1] }, { a: [1] }),
  "equal objects that are not the same": () => assertStrictEquals({}, {}),
  "a text that is not part": () => assertStringIncludes("abc", "x"),
  "a text that does not match": () => assertMatch("abc", /x/),
  "a number that is not less": () => assertLess(2, 2),
  "a function that does not throw": () => assertThrows(() => 1),
  "another error class": () =>
    assertThrows(() => {
      throw new Error("a");
    }, TypeError),
  "another message": () =>
    assertThrows(
      () => {
        throw new TypeError("a");
      },
      TypeError,
      "b",
    ),
};

for (const [name, run] of Object.entries(FAILURES)) {
  Deno.test(`fails: ${name}`, () => {
    assertThrows(run, AssertionError);
  });
}

Deno.test("assertEquals compares structure, and takes a missing prototype for Object's", () => {
  assertEquals<unknown>(Object.assign(Object.create(null), { a: [1, { b: 2 }] }), {
    a: [1, { b: 2 }],
  });
  assertEquals(new Map([["a", new Set([1])]]), new Map([["a", new Set([1])]]));
  assertEquals(NaN, NaN);
  assertEquals(new Date(5), new Date(5));
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  assertEquals(loop, loop);
});

Deno.test("assertThrows and assertRejects take subclasses and return the error", async () => {
  const error = new Special("no such thing");
  assertEquals(
    assertThrows(
      () => {
        throw error;
      },
      TypeError,
      "such",
    ) === error,
    true,
  );
  assertEquals(
    (await assertRejects(() => Promise.reject(error), TypeError, "such")) === error,
    true,
  );
});

Deno.test("assertRejects fails when nothing rejects or the function itself throws", async () => {
  await assertRejects(
    () => assertRejects(() => Promise.resolve()),
    AssertionError,
    "Expected function to reject",
  );
  const thrower = (): Promise<void> => {
    throw new Error("at once");
  };
  await assertRejects(
    () => assertRejects(thrower),
    AssertionError,
    "throws when expected to reject",
  );
});
