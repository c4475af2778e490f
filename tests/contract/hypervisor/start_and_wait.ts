/** Starts a VM as its arguments say (driver, program, specification), prints its saved state, and waits to be killed. */
import { createDriver } from "./drivers_under_test.ts";

const [name = "", path = "", spec = "{}"] = Deno.args;
const vm = await createDriver(name, path).start(JSON.parse(spec), AbortSignal.timeout(20_000));
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(vm.saved)));
await vm.exited;
