import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { fitDevices, type GuestDevices } from "./fit.ts";

/** A guest with a FUSE device of the usual number, a disk, and a device whose number is its own. */
const GUEST: GuestDevices = {
  atPath: (path, kind) => {
    const found: Record<string, { major: number; minor: number }> = {
      "c /dev/vport": { major: 240, minor: 1 },
      "b /dev/sda": { major: 8, minor: 0 },
    };
    return Promise.resolve(found[`${kind} ${path}`]);
  },
  has: (kind, { major, minor }) =>
    Promise.resolve(kind === "c" && ["1:3", "10:229"].includes(`${major}:${minor}`)),
};
const DENY = { allow: false, access: "rwm" };
const ALL = { allow: true, type: "c", access: "rwm" };

Deno.test("fitDevices gives devices the guest's numbers, and their rules too", async () => {
  const entries = [
    { path: "/dev/null", type: "c", major: 1, minor: 3 },
    { path: "/dev/renamed", type: "u", major: 10, minor: 229 },
    { path: "/dev/vport", type: "c", major: 250n, minor: 7n },
    { path: "/fifo", type: "p" },
  ];
  const rule = { allow: true, type: "c", access: "rw" };
  const fitted = await fitDevices(entries, [
    DENY,
    { ...rule, major: 250, minor: 7 },
    { ...rule, major: 136 },
    { ...rule, major: 5, minor: 1 },
    { ...rule, type: "b", major: 8, minor: 16 },
  ], GUEST);
  assertEquals(fitted.devices.map(({ major, minor }) => [major, minor]), [
    [1, 3],
    [10, 229],
    [240, 1],
    [undefined, undefined],
  ]);
  assertEquals(fitted.rules, [
    DENY,
    { ...rule, major: 240, minor: 1 },
    { ...rule, major: 136 },
    { ...rule, major: 5, minor: 1 },
  ]);
});

Deno.test("fitDevices refuses a device that the guest lacks, by its path", async () => {
  const kvm = { path: "/dev/kvm", type: "c", major: 10, minor: 232 };
  const fit = (): Promise<unknown> => fitDevices([kvm], [DENY], GUEST);
  await assertRejects(fit, RuntimeError, 'no device "/dev/kvm" (c 10:232)');
});

Deno.test("fitDevices leaves out what a privileged container lists and the guest lacks", async () => {
  const entries = [
    { path: "/dev/kvm", type: "c", major: 10, minor: 232 },
    { path: "/dev/sda", type: "b", major: 259, minor: 3 },
    { path: "/dev/null", type: "c", major: 1, minor: 3 },
  ];
  const mknod = { allow: true, type: "c", access: "m" };
  await assertRejects(() => fitDevices(entries, [DENY, mknod], GUEST), RuntimeError, "/dev/kvm");
  const fitted = await fitDevices(entries, [DENY, ALL], GUEST);
  assertEquals(fitted.devices.map(({ path, major }) => [path, major]), [["/dev/sda", 8], [
    "/dev/null",
    1,
  ]]);
  assertEquals(fitted.rules, [DENY, ALL]);
});

Deno.test("fitDevices never invents an allow rule", async () => {
  const number = fc.option(fc.integer({ min: 0, max: 300 }), { nil: undefined });
  const type = fc.constantFrom("a", "b", "c", undefined);
  const rule = fc.record({ allow: fc.boolean(), type, major: number, minor: number });
  await fc.assert(fc.asyncProperty(fc.array(rule), async (rules) => {
    const given = rules.map((each) =>
      Object.fromEntries(Object.entries(each).filter(([, value]) => value !== undefined)) as {
        allow: boolean;
      }
    );
    const fitted = await fitDevices([], given, GUEST);
    assert(fitted.rules.every((each) => given.includes(each)));
    assertEquals(fitted.rules.filter(({ allow }) => !allow), given.filter(({ allow }) => !allow));
  }));
});
