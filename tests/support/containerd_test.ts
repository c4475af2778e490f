import { assertEquals, assertMatch } from "@std/assert";
import { Containerd, RUNC } from "./containerd.ts";
import { leaks, snapshot } from "./leaks.ts";

Deno.test({
  name: "Containerd runs busybox with runc, and leaves nothing",
  ignore: Deno.uid() !== 0,
  async fn() {
    const before = await snapshot();
    {
      await using containerd = await Containerd.start();
      const script = "echo out; echo err >&2; exit 7";
      const result = await containerd.run("t1", ["sh", "-c", script], { runtime: RUNC });
      assertEquals(result, { code: 7, stdout: "out\n", stderr: "err\n" });
      assertEquals(await containerd.list("container"), []);
      assertMatch(await containerd.log(), /successfully booted/);
    }
    assertEquals(await leaks(before), []);
  },
});
