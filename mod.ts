/**
 * The host binary: it acts by the name it is called by.
 *
 * @module
 */
import { monotonicMs } from "./common/linux/clock.ts";

/** The base name under which the program was called, which a link can change. */
function calledName(): string {
  const [name = ""] = Deno.readTextFileSync("/proc/self/cmdline").split("\0", 1);
  return name.slice(name.lastIndexOf("/") + 1);
}

async function main(): Promise<number> {
  const bornMs = monotonicMs() - performance.now();
  if (calledName().startsWith("containerd-shim-")) {
    const { shimMain } = await import("./runtime/cli/shim.ts");
    return await shimMain(Deno.args, bornMs);
  }
  const { runtimeMain } = await import("./runtime/cli/kata_runtime.ts");
  return await runtimeMain(Deno.args, bornMs);
}

Deno.exit(await main());
