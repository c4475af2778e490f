import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Code, RuntimeError } from "../../base/errors.ts";
import { RequestSchema, ResponseSchema } from "../gen/ttrpc_pb.ts";
import {
  decodeRequest,
  decodeResponse,
  requestFrame,
  requestPrefix,
  responseFrame,
  statusFrame,
} from "./envelope.ts";
import { HEADER_BYTES, MAX_PAYLOAD_BYTES } from "./frame.ts";

const TEXT = fc.string({ unit: "grapheme", maxLength: 80 });
const PAYLOAD = fc.uint8Array({ maxLength: 300 });

Deno.test("requestFrame writes what the generated code reads", () => {
  const parts = fc.record({
    service: TEXT,
    method: TEXT,
    payload: PAYLOAD,
    timeoutNano: fc.maxSafeNat(),
    metadata: fc.dictionary(TEXT, TEXT, { maxKeys: 3 }),
  });
  fc.assert(fc.property(parts, ({ service, method, payload, timeoutNano, metadata }) => {
    const prefix = requestPrefix(service, method);
    const frame = requestFrame({ streamId: 3, flags: 0, prefix, payload, timeoutNano, metadata });
    const message = fromBinary(RequestSchema, frame.subarray(HEADER_BYTES));
    assertEquals([message.service, message.method, message.timeoutNano], [
      service,
      method,
      BigInt(timeoutNano),
    ]);
    assertEquals([...message.payload], [...payload]);
    assertEquals(message.metadata.map(({ key, value }) => [key, value]), Object.entries(metadata));
  }));
});

Deno.test("decodeRequest reads what the generated code writes", () => {
  const init = fc.record({
    service: TEXT,
    method: TEXT,
    payload: PAYLOAD,
    timeoutNano: fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }),
    metadata: fc.array(fc.record({ key: TEXT, value: TEXT }), { maxLength: 4 }),
  });
  fc.assert(fc.property(init, (fields) => {
    const request = decodeRequest(toBinary(RequestSchema, create(RequestSchema, fields)));
    assertEquals([request.service, request.method, BigInt(request.timeoutNano)], [
      fields.service,
      fields.method,
      fields.timeoutNano,
    ]);
    assertEquals([...request.payload], [...fields.payload]);
    for (const { key, value } of fields.metadata) {
      assert(request.metadata.get(key)?.includes(value));
    }
  }));
});

Deno.test("decodeResponse reads what the generated code writes, and frames read back", () => {
  const status = fc.option(
    fc.record({ code: fc.integer({ min: 1, max: 16 }), message: TEXT }, { noNullPrototype: true }),
    {
      nil: undefined,
    },
  );
  fc.assert(fc.property(status, PAYLOAD, (status, payload) => {
    const init = status === undefined ? { payload } : { payload, status };
    const response = decodeResponse(toBinary(ResponseSchema, create(ResponseSchema, init)));
    assertEquals(response.status, status);
    assertEquals([...response.payload], [...payload]);
    assertEquals([...decodeResponse(responseFrame(1, payload).subarray(HEADER_BYTES)).payload], [
      ...payload,
    ]);
    if (status === undefined) return;
    assertEquals(decodeResponse(statusFrame(1, status).subarray(HEADER_BYTES)).status, status);
  }));
});

Deno.test("decodeRequest and decodeResponse refuse broken bytes with InvalidArgument, and nothing worse", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const decode of [decodeRequest, decodeResponse]) {
        try {
          decode(bytes);
        } catch (error) {
          assert(error instanceof RuntimeError && error.code === Code.InvalidArgument);
        }
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("a message over 4 MiB is not sent", () => {
  const error = assertThrows(
    () => responseFrame(1, new Uint8Array(MAX_PAYLOAD_BYTES)),
    RuntimeError,
  );
  assertEquals(error.code, Code.ResourceExhausted);
});
