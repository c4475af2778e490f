import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../../common/base/errors.ts";
import { parseInvocation } from "../invocation.ts";
import { type Claim, parseClaim } from "./claim.ts";

const CLAIM: Claim = {
  invocation: parseInvocation(["-namespace", "n", "-id", "i", "-address", "a", "start"]),
  bundle: "/b",
  variables: { PATH: "/bin", EMPTY: "" },
  cgroups: "0::/x\n",
  shimCgroup: "",
  oomScoreAdj: -998,
};

Deno.test("a claim is read back as it was written", () => {
  assertEquals(parseClaim(JSON.stringify(CLAIM)), CLAIM);
});

Deno.test("a claim that lacks something, or has it of another type, is refused", () => {
  for (const name of Object.keys(CLAIM)) {
    const less = Object.fromEntries(Object.entries(CLAIM).filter(([each]) => each !== name));
    assertThrows(() => parseClaim(JSON.stringify(less)), RuntimeError, "asks");
    assertThrows(() => parseClaim(JSON.stringify({ ...CLAIM, [name]: null })), RuntimeError);
  }
  const invocation = { ...CLAIM.invocation, debug: "yes" };
  assertThrows(() => parseClaim(JSON.stringify({ ...CLAIM, invocation })), RuntimeError);
  assertThrows(() => parseClaim(JSON.stringify({ ...CLAIM, variables: { A: 1 } })), RuntimeError);
});

Deno.test("whatever is sent, it is a claim or is refused", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    assertThrows(() => parseClaim(text), RuntimeError);
  }));
});
