/** What POSIX and containers ask of a root file system, through containerd, by each share. Disks: blockfile_test.ts. */
import { assertEquals } from "@std/assert";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { POSIX_DIFFERENCES, posixProblems, storageDrivers } from "../support/storage/drivers.ts";
import { filesWithinLimit, MANY_FILES, PosixTools } from "../support/storage/posix_tools.ts";
import { withConfig } from "./transports.ts";

/** A hundred thousand files take their time on a share. */
const LONGEST_MS = 900_000;

Deno.test("a root file system does what POSIX and containers ask, through containerd", async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    for (const driver of await storageDrivers()) {
      const isShare = driver.kind !== "block";
      const files = driver.kind === "9p" ? MANY_FILES : filesWithinLimit();
      const what = driver.unavailable ?? `${files} files in a folder`;
      const name = `by ${driver.name} (${what})`;
      await test.step({
        name,
        ignore: !isShare || driver.unavailable !== undefined,
        fn: async () => {
          await using tools = await PosixTools.make(files);
          const flags = [...withConfig(driver.config), ...tools.mount];
          const options = { flags, timeoutMs: LONGEST_MS };
          const { code, stdout, stderr } = await containerd.run("posix", tools.command, options);
          assertEquals(code, 0, stderr);
          const allowed = POSIX_DIFFERENCES[driver.kind];
          assertEquals(posixProblems(stdout).filter(({ name }) => !allowed.includes(name)), []);
        },
      });
    }
  }
  assertEquals(await leaks(before), []);
});
