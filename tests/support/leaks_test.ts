import { assertEquals } from "@std/assert";
import { leaks, snapshot } from "./leaks.ts";

Deno.test("leaks finds nothing where nothing happened", async () => {
  assertEquals(await leaks(await snapshot()), []);
});

Deno.test({
  name: "leaks names state files, interfaces and processes that appeared",
  ignore: Deno.uid() !== 0,
  async fn() {
    const directory = "/run/kata-containers";
    await Deno.mkdir(directory, { recursive: true });
    const before = await snapshot();
    const file = await Deno.makeTempFile({ dir: directory, prefix: "leak-" });
    const child = new Deno.Command("bash", {
      args: ["-c", "exec -a /x/virtiofsd sleep 60"],
    }).spawn();
    try {
      const found = async (kind: string): Promise<number> =>
        (await leaks(before, 0)).filter((line) => line.startsWith(`${kind}: `)).length;
      while ((await found("process")) === 0) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assertEquals(
        (await leaks(before, 0)).filter((line) => line === `state file: ${file}`).length,
        1,
      );
    } finally {
      child.kill("SIGKILL");
      await child.status;
      await Deno.remove(file);
    }
    assertEquals((await leaks(before)).filter((line) => line.includes(file)), []);
  },
});
