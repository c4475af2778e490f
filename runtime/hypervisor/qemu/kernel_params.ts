import { GUEST_KERNEL_PARAMS, TCG_KERNEL_PARAMS } from "../guest_kernel_params.ts";
import type { Accelerator } from "./options.ts";

/** What decides about the guest's kernel parameters. */
export interface KernelParamsInput {
  readonly accelerator: Accelerator;
  /** Show everything that the kernel says. */
  readonly debug: boolean;
  /** Of the host's TSC; used where the guest's is the same. */
  readonly tscParams: readonly string[];
  readonly arch: typeof Deno.build.arch;
}

/** What other kernels do not know, and would pass to the guest's first program. */
const X86_ONLY = /^(tsc|no_timer_check$)/;

/** Kernel parameters that do not depend on the machine. The last word on a subject counts. */
export function kernelParams({ accelerator, debug, tscParams, arch }: KernelParamsInput): string[] {
  const fits = (word: string): boolean => arch === "x86_64" || !X86_ONLY.test(word);
  return [
    ...GUEST_KERNEL_PARAMS.filter((word) => !debug || word !== "quiet"),
    ...(accelerator === "tcg" ? [...TCG_KERNEL_PARAMS, ...tscParams].filter(fits) : []),
    ...(debug ? ["loglevel=7"] : []),
  ];
}
