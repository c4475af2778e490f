import { assertEquals } from "@std/assert";
import { atOnce } from "../support/at_once.ts";
import { rounds } from "../support/full.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { Podman } from "../support/podman.ts";

/** Statuses below those that shells give a meaning. */
const STATUSES = 100;

Deno.test("podman run --rm, in a row and ten at once: statuses are right and nothing is left", async (test) => {
  const before = await snapshot();
  {
    await using podman = await Podman.start();
    const run = async (index: number): Promise<void> => {
      const status = index % STATUSES, script = `echo ${index}; exit ${status}`;
      const argv = ["run", "--rm", "--network", "none", "busybox", "sh", "-c", script];
      const { code, stdout, stderr } = await podman.call(argv);
      assertEquals([code, stdout, stderr], [status, `${index}\n`, ""]);
    };
    const inRow = rounds(3, 100), together = rounds(6, 10);
    await test.step(`${inRow} in a row`, () => atOnce(1, inRow, run));
    await test.step(`${together} at once`, () => atOnce(together, together, run));
    await test.step("nothing is left while the engine is still there", async () => {
      assertEquals(await podman.output("ps", "--all", "--quiet"), "");
      assertEquals(await leaks(before), []);
    });
  }
  assertEquals(await leaks(before), []);
});
