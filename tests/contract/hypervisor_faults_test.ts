/** VMMs that are missing, unfit or end when they should begin: a clear error soon, and nothing left. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { kill } from "../../common/linux/process.ts";
import type { Vm } from "../../runtime/hypervisor/hypervisor.ts";
import { Bench } from "./hypervisor/bench.ts";
import { test, within } from "./hypervisor/suite.ts";

/** How soon an error must come after its cause, in milliseconds. */
const SOON_MS = 2_000;

test("start reports what a VMM that ends at once said", async (driver) => {
  await using bench = await Bench.make();
  const program = await driver.endingProgram(bench.folder);
  const started = bench.start(driver.create(program));
  const error = await assertRejects(
    () => within(2000, started),
    RuntimeError,
    "exited with status 3",
  );
  assert(error.message.includes("cannot do that today"), error.message);
});

test("start reports a VMM that is too old", async (driver) => {
  await using bench = await Bench.make();
  const old = driver.create(await driver.oldProgram(bench.folder));
  await assertRejects(() => bench.start(old), RuntimeError, "too old");
  assertEquals(bench.processes(), []);
});

test("an aborted start leaves nothing", async (_, hypervisor) => {
  await using bench = await Bench.make();
  for (const delayMs of [0, 5, 20, 50]) {
    const signal = AbortSignal.timeout(delayMs);
    const vm = await hypervisor.start(bench.spec, signal).catch((error): Vm | undefined => {
      assertEquals(error?.name, "TimeoutError");
      return undefined;
    });
    await vm?.stop();
    assertEquals(bench.processes(), []);
  }
});

test("start refuses a place that is taken, and leaves it as it is", async (driver, hypervisor) => {
  if (driver.place === undefined) return;
  await using bench = await Bench.make();
  const path = `${bench.spec.stateDir}/${driver.place}`;
  await Deno.writeTextFile(path, "another's");
  const refused = await assertRejects(() => within(SOON_MS, bench.start(hypervisor)), RuntimeError);
  assert(refused.message.includes(`"${path}" is there already`), refused.message);
  assertEquals(await Deno.readTextFile(path), "another's");
  assertEquals(bench.processes(), []);
  await Deno.remove(path);
  await bench.assertClean();
});

test("start refuses a device that the VMM does not have", async (driver, hypervisor) => {
  await using bench = await Bench.make();
  const share = { kind: "share-9p", tag: "t", path: "/tmp", readonly: true } as const;
  const devices = [{ ...share, securityModel: "none" } as const];
  if (!hypervisor.capabilities.shareFs.includes("virtio-9p")) {
    await assertRejects(() => bench.start(hypervisor, { devices }), RuntimeError, "shared_fs");
    await bench.assertClean();
  }
  for (const call of driver.calls) {
    const poor = driver.create(await driver.changedProgram(bench.folder, { refuses: call }));
    const refused = await assertRejects(() => bench.start(poor), RuntimeError, "is not offered");
    assert(refused.message.includes(call), refused.message);
    await bench.assertClean();
  }
});

/** Resolves when a VMM that was there is no more. */
async function vmmGone(bench: Bench): Promise<void> {
  for (const wanted of [true, false]) {
    while (bench.processes().length > 0 !== wanted) await new Promise((go) => setTimeout(go, 2));
  }
}

test("start tells soon of a VMM that is killed at any step", async (driver) => {
  await using bench = await Bench.make();
  for (const call of driver.calls) {
    const mortal = driver.create(await driver.changedProgram(bench.folder, { diesAt: call }));
    const started = bench.start(mortal);
    started.catch(() => {}); // looked at below
    await vmmGone(bench);
    await assertRejects(() => within(SOON_MS, started), RuntimeError);
    await bench.assertClean();
  }
});

test("start tells soon of a VMM that is killed at any time", async (_, hypervisor) => {
  await using bench = await Bench.make();
  for (const delayMs of [0, 10, 40, 160, 640]) {
    const started = bench.start(hypervisor);
    started.catch(() => {}); // looked at below
    while (bench.processes().length === 0) await new Promise((go) => setTimeout(go, 1));
    await new Promise((go) => setTimeout(go, delayMs)); // whatever it has come to by then
    for (const pid of bench.processes()) kill(pid, "SIGKILL");
    const vm = await within(SOON_MS, started.catch(() => undefined));
    if (vm) await within(SOON_MS, vm.exited);
    await bench.assertClean();
  }
});
