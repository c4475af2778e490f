import { assertEquals } from "@std/assert";
import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import {
  BootstrapParamsSchema,
  LogLevel,
} from "../../common/protocol/gen/containerd/bootstrap_pb.ts";
import { OptionsSchema } from "../../common/protocol/gen/containerd/runc_options_pb.ts";
import { packAny } from "./any.ts";
import { shimCgroup } from "./runc_options.ts";
import { parseStartInput } from "./start_input.ts";

const OPTIONS = packAny(OptionsSchema, create(OptionsSchema, { shimCgroup: "/shims" }));
const ANY = toBinary(AnySchema, OPTIONS);

function params(instanceId: string): Uint8Array {
  return toBinary(
    BootstrapParamsSchema,
    create(BootstrapParamsSchema, {
      instanceId,
      namespace: "default",
      logLevel: LogLevel.DEBUG,
      extensions: [{ value: OPTIONS }],
    }),
  );
}

Deno.test("parseStartInput takes nothing, an Any, and BootstrapParams of this container", () => {
  assertEquals(parseStartInput(new Uint8Array(), "c"), { options: undefined, debug: false });
  assertEquals(shimCgroup(parseStartInput(ANY, "c").options), "/shims");
  const input = parseStartInput(params("c"), "c");
  assertEquals([shimCgroup(input.options), input.debug], ["/shims", true]);
});

Deno.test("parseStartInput does not take an Any for Params, nor another's Params for ours", () => {
  assertEquals(parseStartInput(ANY, OPTIONS.typeUrl).debug, false);
  assertEquals(shimCgroup(parseStartInput(params("other"), "c").options), "");
  assertEquals(shimCgroup(parseStartInput(ANY, "containerd.runc.v1.Options").options), "");
});

Deno.test("parseStartInput and shimCgroup never throw, whatever stdin holds", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    shimCgroup(parseStartInput(bytes, "c").options);
  }));
  fc.assert(fc.property(fc.nat(ANY.length), fc.nat(255), (at, byte) => {
    const bent = Uint8Array.from(ANY);
    bent[at % bent.length] = byte;
    shimCgroup(parseStartInput(bent, "c").options);
  }));
});
