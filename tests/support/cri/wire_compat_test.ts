/**
 * Our .proto file against the real interface's descriptor set, which is not part of this repository:
 * KATA_REFERENCE_DIR names a folder that has it as contract/cri-v1.binpb. Ours leaves fields out; those that it has
 * must be the same.
 */
import {
  createFileRegistry,
  type DescField,
  type DescMessage,
  equals,
  type FileRegistry,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { FieldDescriptorProto_Type, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { anyMessage } from "../../../common/protocol/testing/any_message.ts";
import { NO_REFERENCE, referencePath } from "../../../common/protocol/testing/reference.ts";
import { file_cri as ours } from "./gen/cri_pb.ts";

const registry = await readRegistry(referencePath("contract/cri-v1.binpb"));

async function readRegistry(path: string): Promise<FileRegistry | undefined> {
  try {
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, await Deno.readFile(path)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function check(promise: string, body: (registry: FileRegistry) => void): void {
  const why = registry ? "" : ` (${NO_REFERENCE})`;
  Deno.test({
    name: `CRI wire compatibility: ${promise}${why}`,
    ignore: registry === undefined,
    fn: () => body(registry as FileRegistry),
  });
}

/** Each message of ours beside the interface's. */
function eachMessage(
  registry: FileRegistry,
  compare: (mine: DescMessage, real: DescMessage) => void,
): void {
  for (const mine of ours.messages) {
    const real = registry.getMessage(mine.typeName);
    assert(real, `The interface has no message ${mine.typeName}`);
    compare(mine, real);
  }
}

/** All that decides how a field looks on the wire. */
function shapeOf({ name, number, proto, fieldKind, oneof }: DescField): unknown {
  const type = FieldDescriptorProto_Type[proto.type];
  const { label, typeName } = proto;
  return { name, number, type, label, typeName, fieldKind, oneof: oneof?.name };
}

check("every field is the interface's", (registry) =>
  eachMessage(registry, (mine, real) => {
    for (const field of mine.fields) {
      const other = real.fields.find(({ number }) => number === field.number);
      assertEquals(shapeOf(field), other && shapeOf(other), `${mine.typeName}.${field.name}`);
    }
  }));

check("every enum has the interface's values", (registry) => {
  const nested = ours.messages.flatMap((message) => message.nestedEnums);
  for (const mine of [...ours.enums, ...nested]) {
    const values = (type = mine): unknown => type.values.map(({ name, number }) => [name, number]);
    assertEquals(values(), values(registry.getEnum(mine.typeName)), mine.typeName);
  }
});

check("every method is the interface's", (registry) => {
  for (const mine of ours.services) {
    const real = registry.getService(mine.typeName);
    for (const { name, methodKind, input, output } of mine.methods) {
      const other = real?.methods.find((method) => method.name === name);
      assertEquals(
        [methodKind, input.typeName, output.typeName],
        [other?.methodKind, other?.input.typeName, other?.output.typeName],
        name,
      );
    }
  }
});

check(
  "what we write is read the same by the interface's messages",
  (registry) =>
    eachMessage(registry, (mine, real) =>
      fc.assert(
        fc.property(anyMessage(mine), (message) => {
          const sent = toBinary(mine, message);
          const returned = toBinary(real, fromBinary(real, sent, { readUnknownFields: false }));
          assert(equals(mine, fromBinary(mine, returned), fromBinary(mine, sent)), mine.typeName);
          assertEquals(returned.length, sent.length);
        }),
        { numRuns: 20 },
      )),
);
