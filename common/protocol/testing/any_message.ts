import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  type MessageInitShape,
  ScalarType,
} from "@bufbuild/protobuf";
import fc from "fast-check";

/** How deep messages within messages go. */
const MAX_DEPTH = 3;

/** Any message of a type, for property tests. Fields may be left out; lists and maps are short. */
export function anyMessage(schema: DescMessage, depth = 0): fc.Arbitrary<Message> {
  const fields = schema.fields.filter((field) =>
    field.oneof === undefined && (depth < MAX_DEPTH || !nests(field))
  );
  const oneofs = depth < MAX_DEPTH ? schema.oneofs : [];
  const entries = [
    ...fields.map((field) => [field.localName, anyField(field, depth)] as const),
    ...oneofs.map((oneof) =>
      [
        oneof.localName,
        fc.oneof(...oneof.fields.map((field) =>
          fc.record({ case: fc.constant(field.localName), value: anyField(field, depth) })
        )),
      ] as const
    ),
  ];
  return fc.record(Object.fromEntries(entries), { requiredKeys: [] })
    .map((init) => create(schema, init as MessageInitShape<DescMessage>));
}

function nests(field: DescField): boolean {
  return field.message !== undefined;
}

function anyField(field: DescField, depth: number): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case "list":
      return fc.array(anySingle(field, depth), { maxLength: 3 });
    case "map":
      return fc.dictionary(
        fc.string({ maxLength: 8 }).filter((key) => key !== "__proto__"),
        anySingle(field, depth),
        { maxKeys: 3 },
      );
    default:
      return anySingle(field, depth);
  }
}

/** A value of a field's type, or of the items of its list or map. */
function anySingle(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined) return anyMessage(field.message, depth + 1);
  if (field.enum !== undefined) {
    return fc.constantFrom(...field.enum.values.map((value) => value.number));
  }
  return anyScalar(field.scalar);
}

function anyScalar(type: ScalarType | undefined): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.STRING:
      return fc.string({ unit: "grapheme", maxLength: 16 });
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 32 });
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case ScalarType.DOUBLE:
      return fc.double({ noNaN: true });
    default:
      throw new Error(`No values for scalar type ${type}`);
  }
}
