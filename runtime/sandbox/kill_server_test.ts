import { assertEquals } from "@std/assert";
import { processStartTime } from "../../common/linux/process.ts";
import { killServer } from "./kill_server.ts";
import { isServed } from "./sandbox_record.ts";

Deno.test("killServer returns once the process is gone, and leaves others with its pid alone", async () => {
  const child = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  const shim = { pid: child.pid, startTime: processStartTime(child.pid) };
  const state = { key: "k", id: "k", namespace: "n", shim, containers: {} };
  await killServer({ ...state, shim: { ...shim, startTime: shim.startTime + 1 } });
  assertEquals(isServed(state), true);
  await killServer(state);
  assertEquals(isServed(state), false);
  assertEquals((await child.status).signal, "SIGKILL");
  await killServer(state);
});
