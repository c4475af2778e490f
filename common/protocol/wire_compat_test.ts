/**
 * Our .proto files against descriptor sets taken from the real peers: containerd and the Kata
 * Containers agent. The sets are not part of this repository; KATA_REFERENCE_DIR names a
 * folder that has them as contract/*.binpb.
 */
import {
  createFileRegistry,
  type DescEnum,
  type DescFile,
  type DescMessage,
  type DescService,
  equals,
  type FileRegistry,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { FieldDescriptorProto_Type, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { anyMessage } from "./testing/any_message.ts";
import { NO_REFERENCE, referencePath } from "./testing/reference.ts";

const registries = await readDescriptorSets(referencePath("contract"));
const ours = await readOurFiles(`${import.meta.dirname}/gen`);
/** Version 3 of containerd's Task has the same messages under another name. */
const names: Array<(name: string) => string> = [
  (name) => name,
  (name) => name.replace(/^containerd\.task\.v2\./, "containerd.task.v3."),
];

check("every message has the peers' fields", () => eachMessage(compareMessage));
check("every enum has the peers' values", () => eachEnum(compareEnum));
check("every service has the peers' methods", () => eachService(compareService));
check("every message reads the same on both sides", () => eachMessage(compareBytes));

function check(promise: string, body: () => void): void {
  const ignore = registries.length === 0;
  const why = ignore ? ` (${NO_REFERENCE})` : "";
  Deno.test({ name: `wire compatibility: ${promise}${why}`, ignore, fn: body });
}

/** From this number on a field is our own addition to a peer's message, which passes over it. */
const FIRST_OWN_FIELD = 100;
/** Types of our own additions. */
const OWN = ["types.Nexthop", "types.RouteMetric"] as const;

/** Types of ours that the sets leave out: ttrpc describes its envelopes elsewhere, containerd its -info. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  ...OWN,
  "containerd.types.RuntimeInfo",
  "containerd.types.RuntimeVersion",
  "ttrpc.KeyValue",
  "ttrpc.Request",
  "ttrpc.Response",
  "ttrpc.Status",
]);
/** Packages that no set describes: remote hypervisors speak another service than agents do. */
const OTHER_PACKAGES = /^hypervisor\./;

function eachMessage(compare: (mine: DescMessage, real: DescMessage) => void): void {
  const messages = ours.flatMap((
    file,
  ) => [...file.messages, ...file.messages.flatMap((m) => m.nestedMessages)]);
  each(
    messages.filter((m) => !m.proto.options?.mapEntry),
    (registry, name) => registry.getMessage(name),
    compare,
  );
}

function eachEnum(compare: (mine: DescEnum, real: DescEnum) => void): void {
  const enums = ours.flatMap((
    file,
  ) => [...file.enums, ...file.messages.flatMap((m) => m.nestedEnums)]);
  each(enums, (registry, name) => registry.getEnum(name), compare);
}

function eachService(compare: (mine: DescService, real: DescService) => void): void {
  each(
    ours.flatMap((file) => file.services),
    (registry, name) => registry.getService(name),
    compare,
  );
}

/** Compares with every set that has the type, under every name it goes by. */
function each<T extends { typeName: string }>(
  mine: T[],
  find: (registry: FileRegistry, name: string) => T | undefined,
  compare: (mine: T, real: T) => void,
): void {
  assert(mine.length > 0);
  for (const type of mine) {
    const wanted = new Set(names.map((name) => name(type.typeName)));
    for (const name of wanted) {
      const real = registries.map((registry) => find(registry, name)).filter((found) =>
        found !== undefined
      );
      assert(
        real.length > 0 || ELSEWHERE.has(name) || OTHER_PACKAGES.test(name),
        `No descriptor set has ${name}`,
      );
      for (const other of real) compare(type, other);
    }
  }
}

function compareMessage(mine: DescMessage, real: DescMessage): void {
  const theirs = Object.entries(fieldsOf(mine)).filter(([number]) =>
    Number(number) < FIRST_OWN_FIELD
  );
  assertEquals(Object.fromEntries(theirs), fieldsOf(real), mine.typeName);
}

/** All that decides how a field looks on the wire, by number. */
function fieldsOf(message: DescMessage): Record<number, unknown> {
  return Object.fromEntries(
    message.fields.map(({ number, name, proto, fieldKind, oneof }) => [number, {
      name,
      type: FieldDescriptorProto_Type[proto.type],
      label: proto.label,
      typeName: sameVersion(proto.typeName),
      kind: fieldKind,
      oneof: oneof?.name,
      optional: proto.proto3Optional,
    }]),
  );
}

function compareEnum(mine: DescEnum, real: DescEnum): void {
  const values = (type: DescEnum): unknown =>
    type.values.map(({ name, number }) => ({ name, number })).sort(byNumber);
  assertEquals(values(mine), values(real), mine.typeName);
}

function byNumber(a: { number: number }, b: { number: number }): number {
  return a.number - b.number;
}

function compareService(mine: DescService, real: DescService): void {
  assertEquals(methodsOf(mine), methodsOf(real), mine.typeName);
}

function methodsOf(service: DescService): Record<string, unknown> {
  return Object.fromEntries(
    service.methods.map(({ name, methodKind, input, output }) => [name, {
      methodKind,
      input: sameVersion(input.typeName),
      output: sameVersion(output.typeName),
    }]),
  );
}

/** What we write, the peer reads and writes again (our own fields as ones it does not know), and we read the same. */
function compareBytes(mine: DescMessage, real: DescMessage): void {
  fc.assert(
    fc.property(anyMessage(mine), (message) => {
      const sent = toBinary(mine, message);
      const returned = toBinary(real, fromBinary(real, sent));
      assert(equals(mine, fromBinary(mine, returned), fromBinary(mine, sent)), mine.typeName);
      assertEquals(returned.length, sent.length);
    }),
    { numRuns: 20 },
  );
}

function sameVersion(name: string): string {
  return name.replace("containerd.task.v3.", "containerd.task.v2.");
}

async function readDescriptorSets(from: string): Promise<FileRegistry[]> {
  const found: FileRegistry[] = [];
  try {
    for await (const { name } of Deno.readDir(from)) {
      if (!name.endsWith(".binpb")) continue;
      found.push(
        createFileRegistry(
          fromBinary(FileDescriptorSetSchema, await Deno.readFile(`${from}/${name}`)),
        ),
      );
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

/** The descriptors in every generated file: each exports one, as `file_…`. */
async function readOurFiles(from: string): Promise<DescFile[]> {
  const files: DescFile[] = [];
  for await (const entry of Deno.readDir(from)) {
    if (entry.isDirectory) files.push(...await readOurFiles(`${from}/${entry.name}`));
    else files.push(...Object.values(await import(`${from}/${entry.name}`)).filter(isFile));
  }
  return files;
}

function isFile(value: unknown): value is DescFile {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "file";
}
