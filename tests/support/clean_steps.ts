/** Steps of a test, each of which has to leave the host as it was. */
import { assertEquals } from "@std/assert";
import { leaks, snapshot } from "./leaks.ts";

/** Runs them in turn, and asks after each what it has left. */
export async function cleanSteps(
  test: Deno.TestContext,
  steps: readonly (readonly [string, () => Promise<void>])[],
): Promise<void> {
  for (const [name, work] of steps) {
    await test.step(name, async () => {
      const since = await snapshot();
      await work();
      assertEquals(await leaks(since), []);
    });
  }
}
