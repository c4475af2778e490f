/** Templates and clones, of every VMM that can have them. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import type { Hypervisor, Vm, VmTemplate } from "../../runtime/hypervisor/hypervisor.ts";
import { sha256 } from "../../tools/lib/hash.ts";
import { Bench } from "./hypervisor/bench.ts";
import { test } from "./hypervisor/suite.ts";

async function saveTemplate(vm: Vm): Promise<void> {
  assert(vm.saveTemplate, "the driver cannot save VMs");
  await vm.saveTemplate(AbortSignal.timeout(20_000));
}

/** An origin that ran and was saved, and what a clone of it is started with. */
async function savedTemplate(hypervisor: Hypervisor, bench: Bench): Promise<VmTemplate> {
  const files = { memory: `${bench.folder}/memory`, state: `${bench.folder}/saved` };
  await using origin = await bench.start(hypervisor, { template: { role: "origin", ...files } });
  await saveTemplate(origin);
  return { role: "clone", ...files };
}

test("clones go on where the origin was saved, and leave it as it is", async (driver) => {
  await using bench = await Bench.make();
  const hypervisor = await driver.createCloning(bench.folder);
  if (!hypervisor.capabilities.template) return;
  const template = await savedTemplate(hypervisor, bench);
  const before = await sha256(await Deno.readFile(template.memory));
  for (const id of ["a", "b"]) {
    await using clone = await bench.start(hypervisor, { id, template });
    await clone.pause(); // it runs: there is something to pause
    await clone.resume();
  }
  assertEquals(await sha256(await Deno.readFile(template.memory)), before);
  await bench.assertClean();
});

test("a damaged state is told, and nothing is left", async (driver) => {
  await using bench = await Bench.make();
  const hypervisor = await driver.createCloning(bench.folder);
  if (!hypervisor.capabilities.template) return;
  const template = await savedTemplate(hypervisor, bench);
  await Deno.truncate(template.state, 1000);
  await assertRejects(() => bench.start(hypervisor, { template }), RuntimeError);
  await bench.assertClean();
});

test("only an origin can be saved, and never over a template", async (driver) => {
  await using bench = await Bench.make();
  const hypervisor = await driver.createCloning(bench.folder);
  if (!hypervisor.capabilities.template) return;
  {
    await using vm = await bench.start(hypervisor);
    await assertRejects(() => saveTemplate(vm), RuntimeError, "not started as a template's origin");
  }
  const files = { memory: `${bench.folder}/memory`, state: `${bench.folder}/saved` };
  await Deno.writeTextFile(files.state, "another's");
  await using origin = await bench.start(hypervisor, { template: { role: "origin", ...files } });
  await assertRejects(() => saveTemplate(origin));
  assertEquals(await Deno.readTextFile(files.state), "another's");
});
