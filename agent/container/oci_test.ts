import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { SpecSchema } from "../../common/protocol/gen/kata/oci_pb.ts";
import { specFromGrpc } from "./oci.ts";
import { type OciSpec, stringifyOci } from "./oci_types.ts";

/** Members of the runtime specification whose names differ from grpc.Spec's in more than the first letter. */
const RENAMED: Record<string, string> = {
  ociVersion: "Version",
  uid: "UID",
  gid: "GID",
  cpu: "CPU",
  oomScoreAdj: "OOMScoreAdj",
  uidMappings: "UIDMappings",
  gidMappings: "GIDMappings",
  pageSize: "Pagesize",
};
/** Messages that keep lower case. */
const LOWER = new Set(["destination", "source", "options"]);

const text = fc.string({ minLength: 1, maxLength: 8 }).filter((value) => value !== "__proto__");
const texts = fc.array(text, { maxLength: 3 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).filter((value) => value !== 0n);
const uint64 = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
const uint32 = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(value, { minLength: 1, maxLength: 3 });
const part = <T extends object>(
  model: { [K in keyof T]: fc.Arbitrary<T[K]> },
): fc.Arbitrary<Partial<T>> =>
  fc.record(model, { requiredKeys: [] }).filter((value) =>
    Object.keys(value).length > 0
  ) as fc.Arbitrary<Partial<T>>;

const hook = fc.record({ path: text, args: some(text), env: some(text), timeout: int64 });
const throttle = fc.record({ major: int64, minor: int64, rate: uint64 });
const resources = part({
  devices: some(
    fc.record({
      allow: fc.boolean(),
      type: text,
      major: uint64.map((n) => n >> 1n | 1n),
      minor: uint64.map((n) => n >> 1n),
      access: text,
    }),
  ),
  memory: part({
    limit: int64,
    reservation: int64,
    swap: int64,
    kernel: int64,
    kernelTCP: int64,
    swappiness: uint64,
  }),
  cpu: part({ shares: uint64, quota: int64, period: uint64, cpus: text, mems: text }),
  pids: fc.record({ limit: int64 }),
  blockIO: part({
    weight: uint32,
    throttleReadBpsDevice: some(throttle),
    throttleWriteIOPSDevice: some(throttle),
  }),
  hugepageLimits: some(fc.record({ pageSize: text, limit: uint64 })),
});
const seccomp = fc.record({
  defaultAction: text,
  architectures: some(text),
  flags: some(text),
  syscalls: some(fc.record({
    names: texts,
    action: text,
    args: some(fc.record({ index: uint64, value: uint64, valueTwo: uint64, op: text })),
  })),
});
const process = fc.record({
  user: fc.record({ uid: uint32, gid: uint32, additionalGids: some(uint32) }),
  args: texts,
  env: texts,
  cwd: text,
  capabilities: fc.record({
    bounding: texts,
    effective: texts,
    inheritable: texts,
    permitted: texts,
    ambient: texts,
  }),
  rlimits: some(fc.record({ type: text, hard: uint64, soft: uint64 })),
  oomScoreAdj: fc.integer({ min: -1000, max: 1000 }),
  consoleSize: fc.record({ height: uint32, width: uint32 }),
});
const spec = fc.record({
  ociVersion: text,
  process,
  hostname: text,
  mounts: fc.array(fc.record({ destination: text, source: text, type: text, options: some(text) })),
  hooks: part({ prestart: some(hook), poststop: some(hook), createContainer: some(hook) }),
  annotations: fc.dictionary(text, text, { minKeys: 1, maxKeys: 3 }),
  linux: fc.record({
    uidMappings: some(fc.record({ hostID: uint32, containerID: uint32, size: uint32 })),
    sysctl: fc.dictionary(text, text, { minKeys: 1, maxKeys: 3 }),
    resources,
    namespaces: fc.array(fc.record({ type: text, path: text })),
    devices: some(
      fc.record({
        path: text,
        type: fc.constantFrom("c", "b"),
        major: int64,
        minor: int64,
        fileMode: uint32,
      }),
    ),
    seccomp,
    maskedPaths: some(text),
  }),
});

/** The host's side: runtime-spec members to fields of the message. */
function toGrpc(value: unknown, name = ""): unknown {
  if (Array.isArray(value)) return value.map((item) => toGrpc(item, name));
  if (typeof value !== "object" || value === null) return value;
  if (name === "annotations" || name === "sysctl") return value;
  return Object.fromEntries(
    Object.entries(value).map((
      [key, member],
    ) => [fieldName(key, name), toField(key, member, name)]),
  );
}

function toField(key: string, member: unknown, parent: string): unknown {
  if (key === "oomScoreAdj") return BigInt(member as number);
  return toGrpc(member, parent === "mounts" ? key : key);
}

function fieldName(key: string, parent: string): string {
  if (parent === "mounts" && (LOWER.has(key) || key === "type")) return key;
  return RENAMED[key] ?? key.charAt(0).toUpperCase() + key.slice(1);
}

Deno.test("specFromGrpc gives back every member that the host put into the message", () => {
  fc.assert(
    fc.property(spec, (wanted) => {
      const sent = toBinary(SpecSchema, create(SpecSchema, toGrpc(wanted) as never));
      const got = specFromGrpc(fromBinary(SpecSchema, sent));
      assertEquals(JSON.parse(stringifyOci(got)), JSON.parse(stringifyOci(wanted)));
    }),
    { numRuns: 200 },
  );
});

Deno.test("specFromGrpc leaves out whatever the host did not set", () => {
  const got = specFromGrpc(
    create(SpecSchema, {
      Process: {},
      Root: {},
      Linux: { Resources: { Memory: {}, CPU: {}, Pids: {} } },
    }),
  );
  const wanted: OciSpec = {
    ociVersion: "1.0.2",
    process: { user: { uid: 0, gid: 0 }, args: [], env: [], cwd: "/", oomScoreAdj: 0 },
    root: { path: "" },
    mounts: [],
    linux: { resources: {}, namespaces: [] },
  };
  assertEquals(got, wanted);
});

Deno.test("specFromGrpc reads a device rule's zeros and -1 as any", () => {
  const Devices = [
    { Allow: false, Access: "rwm" },
    { Allow: true, Type: "c", Major: 136n, Minor: -1n, Access: "rw" },
    { Allow: true, Type: "b", Major: 8n, Minor: 0n, Access: "r" },
  ];
  const { linux } = specFromGrpc(create(SpecSchema, { Linux: { Resources: { Devices } } }));
  assertEquals(linux.resources?.devices, [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", major: 136, access: "rw" },
    { allow: true, type: "b", major: 8, minor: 0, access: "r" },
  ]);
});

Deno.test("stringifyOci writes RLIM_INFINITY with all its digits", () => {
  const Rlimits = [{ Type: "RLIMIT_CORE", Hard: 2n ** 64n - 1n, Soft: 1024n }];
  const json = stringifyOci(specFromGrpc(create(SpecSchema, { Process: { Rlimits } })));
  assert(json.includes('"hard":18446744073709551615,"soft":1024'), json);
});

Deno.test("specFromGrpc keeps a system call's errno of zero, which is not the same as none", () => {
  const Syscalls = [
    { Names: ["a"], Action: "SCMP_ACT_ERRNO", ErrnoRet: { case: "errnoret" as const, value: 0 } },
    { Names: ["b"], Action: "SCMP_ACT_ERRNO" },
  ];
  const { linux } = specFromGrpc(
    create(SpecSchema, { Linux: { Seccomp: { DefaultAction: "x", Syscalls } } }),
  );
  assertEquals(linux.seccomp?.syscalls?.map(({ errnoRet }) => errnoRet), [0, undefined]);
});
