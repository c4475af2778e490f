import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  attribute,
  joined,
  NetlinkFormatError,
  netlinkMessage,
  parseAttributeList,
  parseMessages,
} from "./netlink_message.ts";

const body = fc.uint8Array({ maxLength: 40 });
const message = fc.record({
  type: fc.nat(0xffff),
  flags: fc.nat(0xffff),
  sequence: fc.nat(0xffffffff),
  body,
});

Deno.test("parseMessages reads what netlinkMessage wrote", () => {
  fc.assert(fc.property(fc.array(message, { maxLength: 4 }), (messages) => {
    assertEquals(parseMessages(joined(...messages.map(netlinkMessage))), messages);
  }));
});

Deno.test("parseAttributeList reads what attribute wrote", () => {
  const list = fc.array(fc.record({ type: fc.nat(0x3fff), value: body }), { maxLength: 6 });
  fc.assert(fc.property(list, (attributes) => {
    const bytes = joined(...attributes.map(({ type, value }) => attribute(type, value)));
    assertEquals(parseAttributeList(bytes), attributes);
  }));
});

Deno.test("any bytes are read or refused, and never lead outside", () => {
  for (const parse of [parseMessages, parseAttributeList]) {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        return parse(bytes).length <= bytes.length;
      } catch (error) {
        return error instanceof NetlinkFormatError;
      }
    }));
  }
  assert(true);
});
