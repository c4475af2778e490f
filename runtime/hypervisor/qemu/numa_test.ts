import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../../common/base/errors.ts";
import { hostNodes, numaArguments, numaNodes, parseNodes } from "./numa.ts";

const SIZE = { memoryMiB: 1024, vcpus: 4 };

Deno.test("parseNodes reads the kernel's lists, and nothing else", () => {
  assertEquals(parseNodes("0-1,3"), [0, 1, 3]);
  for (const text of ["", "a", "1-", "3-1", "0,", "0-99999", "1 ", "0-2000"]) {
    assertEquals(parseNodes(text), undefined, text);
  }
});

Deno.test("numaNodes maps the host's nodes one to one where nothing else is said", () => {
  assertEquals(numaNodes({ mapping: [] }, [0, 2], SIZE), [
    { memoryMiB: 512, cpus: [0, 1], hostNodes: ["0"] },
    { memoryMiB: 512, cpus: [2, 3], hostNodes: ["2"] },
  ]);
});

Deno.test("numaNodes shares out all memory and each processor once, whatever the mapping", () => {
  const counts = fc.record({
    nodes: fc.integer({ min: 1, max: 8 }),
    memoryMiB: fc.integer({ min: 256, max: 100_000 }),
    vcpus: fc.integer({ min: 1, max: 64 }),
  });
  fc.assert(fc.property(counts, ({ nodes, ...size }) => {
    const made = numaNodes({ mapping: Array(nodes).fill("0") }, [0], size);
    assertEquals(made.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0), size.memoryMiB);
    const cpus = made.flatMap(({ cpus }) =>
      cpus === undefined ? [] : Array.from({ length: cpus[1] - cpus[0] + 1 }, (_, n) => cpus[0] + n)
    );
    assertEquals(cpus, Array.from({ length: size.vcpus }, (_, n) => n));
  }));
});

Deno.test("numaNodes refuses nodes that the host does not have, naming the key", () => {
  const refused = (set: string, message: string) =>
    assertThrows(() => numaNodes({ mapping: [set] }, [0, 1], SIZE), RuntimeError, message);
  refused("0-2", "numa_mapping: the host has no node 2");
  refused("0,mem-path=/x", "is no list of nodes");
});

Deno.test("numaArguments name each node's memory and processors", () => {
  const nodes = numaNodes({ mapping: ["0", "0-1", "1"] }, [0, 1], { memoryMiB: 900, vcpus: 2 });
  assertEquals(numaArguments(nodes, (index) => `m${index}`), [
    ...["-numa", "node,nodeid=0,memdev=m0", "-numa", "node,nodeid=1,cpus=0-0,memdev=m1"],
    ...["-numa", "node,nodeid=2,cpus=1-1,memdev=m2"],
  ]);
});

Deno.test("hostNodes finds the host's first node", async () => {
  assertEquals((await hostNodes())[0], 0);
});
