/** Kernel modules that the host asks for. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { run } from "../../common/linux/subprocess.ts";

const MODPROBE_TIMEOUT_MS = 60_000;

export interface KernelModule {
  readonly name: string;
  readonly parameters: readonly string[];
}

/** Loads modules in order. @throws {RuntimeError} FailedPrecondition: one cannot be loaded. */
export async function loadModules(modules: readonly KernelModule[]): Promise<void> {
  for (const module of modules) {
    const argv = ["/sbin/modprobe", "--", module.name, ...module.parameters];
    const { code, stderr } = await run(argv, { timeoutMs: MODPROBE_TIMEOUT_MS });
    if (code === 0) continue;
    throw new RuntimeError(
      Code.FailedPrecondition,
      `Cannot load kernel module ${JSON.stringify(module.name)}: ${stderr.trim().slice(0, 500)}`,
    );
  }
}
