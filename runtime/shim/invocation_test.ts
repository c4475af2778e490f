import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { parseInvocation } from "./invocation.ts";

Deno.test("parseInvocation reads containerd's start command", () => {
  const args =
    "-namespace default -address /run/c.sock -publish-binary /usr/bin/containerd -id t1 -debug start";
  const invocation = parseInvocation(args.split(" "));
  assertEquals(invocation.action, "start");
  assertEquals(invocation.namespace, "default");
  assertEquals(invocation.address, "/run/c.sock");
  assertEquals(invocation.publishBinary, "/usr/bin/containerd");
  assertEquals(invocation.id, "t1");
  assertEquals(invocation.debug, true);
});

Deno.test("parseInvocation serves when no action is given, and takes -x=y and --x", () => {
  const invocation = parseInvocation([
    "--namespace=k8s.io",
    "-id=",
    "-address",
    "",
    "-debug=false",
  ]);
  assertEquals(invocation.action, "serve");
  assertEquals(invocation.namespace, "k8s.io");
  assertEquals(invocation.debug, false);
});

Deno.test("parseInvocation names what it cannot parse", () => {
  assertThrows(
    () => parseInvocation(["-nope"]),
    RuntimeError,
    "unknown flag -nope",
  );
  assertThrows(
    () => parseInvocation(["-id"]),
    RuntimeError,
    "-id lacks its value",
  );
  assertThrows(
    () => parseInvocation(["boot"]),
    RuntimeError,
    'unknown action "boot"',
  );
  assertThrows(
    () => parseInvocation(["start", "now"]),
    RuntimeError,
    'surplus word "now"',
  );
});

Deno.test("parseInvocation either parses or refuses, whatever the words", () => {
  fc.assert(fc.property(fc.array(fc.string()), (words) => {
    try {
      parseInvocation(words);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
  }));
});
