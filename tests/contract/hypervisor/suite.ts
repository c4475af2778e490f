/** What every suite of drivers is made of: each case runs with every driver that can be tried here. */
import type { Hypervisor } from "../../../runtime/hypervisor/hypervisor.ts";
import { KERNEL } from "./bench.ts";
import { type Driver, driversUnderTest } from "./drivers_under_test.ts";

const FOLDER = await Deno.makeTempDir({ prefix: "kata-vmm-" });
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));
const DRIVERS = await driversUnderTest(FOLDER);

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

const READY = Deno.uid() === 0 && Deno.build.arch === "x86_64" && exists(KERNEL);

/** A case of one driver's. @param absent Why it cannot be tried here; empty when it can. */
export function define(
  name: string,
  fn: () => Promise<void>,
  absent = READY ? "" : `needs root, x86-64 and a kernel at ${KERNEL}`,
): void {
  const ready = READY && absent === "";
  const why = ready ? "" : ` (skipped: ${absent})`;
  // The program's one reaper stays between tests.
  Deno.test({ name: name + why, ignore: !ready, sanitizeOps: false, sanitizeResources: false, fn });
}

/** A case of every driver's. */
export function test(
  name: string,
  fn: (driver: Driver, hypervisor: Hypervisor) => Promise<void>,
): void {
  for (const driver of DRIVERS) {
    const run = () => fn(driver, driver.create(driver.program));
    define(`${driver.name}: ${name}`, run, driver.absent || undefined);
  }
}

/** @throws {Error} It took longer. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`more than ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
