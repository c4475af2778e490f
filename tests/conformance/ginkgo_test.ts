import { assert, assertEquals } from "@std/assert";
import { focusOn, parseGinkgo } from "./ginkgo.ts";

function spec(name: string, State: string, NumAttempts = 1, LeafNodeType = "It"): unknown {
  return {
    ContainerHierarchyTexts: ["[k8s.io] Networking"],
    LeafNodeText: name,
    LeafNodeType,
    State,
    NumAttempts,
  };
}

Deno.test("parseGinkgo counts cases that ran, anything but passed and skipped as failed", () => {
  const SpecReports = [
    spec("", "passed", 1, "BeforeSuite"),
    spec("a", "passed"),
    spec("b", "failed"),
    spec("c", "timedout"),
    spec("d", "panicked"),
    spec("e", "skipped"),
    spec("never", "skipped", 0),
  ];
  const { passed, failed, skipped } = parseGinkgo(JSON.stringify([{ SpecReports }]));
  assertEquals([...passed], ["Networking a"]);
  assertEquals([...failed], ["Networking b", "Networking c", "Networking d"]);
  assertEquals([...skipped], ["Networking e"]);
});

Deno.test("parseGinkgo reads a report of a suite that did not begin", () => {
  const { passed } = parseGinkgo(JSON.stringify([{ SpecReports: null }]));
  assertEquals(passed.size, 0);
});

Deno.test("focusOn names the cases alone, whatever signs they hold", () => {
  const focus = new RegExp(focusOn(["get Uid|Username (Default) [Conformance]", "b"]));
  assert(focus.test("CRI validation [k8s.io] get Uid|Username (Default) [Conformance]"));
  assert(focus.test("CRI validation [k8s.io] b"));
  assert(!focus.test("CRI validation [k8s.io] b more"));
  assert(!focus.test("CRI validation [k8s.io] a b"));
  assert(!focus.test("CRI validation [k8s.io] get Uid"));
});
