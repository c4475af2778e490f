import { assert, assertEquals } from "@std/assert";
import { hasCapability, openFilesLimit } from "./process_limits.ts";

Deno.test("openFilesLimit is what the shell says", async () => {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", "ulimit -Hn"] }).output();
  const text = new TextDecoder().decode(stdout).trim();
  if (text === "unlimited") assert(openFilesLimit() > 1024);
  else assertEquals(openFilesLimit(), Number(text));
});

Deno.test("hasCapability agrees with what mount(8) may do", async () => {
  const { success } = await new Deno.Command("unshare", { args: ["--mount", "true"] }).output();
  assertEquals(hasCapability("SYS_ADMIN"), success);
});
