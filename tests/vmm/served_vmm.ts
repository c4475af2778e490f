/** The programs by which tests drive a VMM: its own where a variable names it, otherwise the conforming server. */
import { NO_REFERENCE, referencePath } from "../../common/protocol/testing/reference.ts";
import { type ServedVmm, vmmProgram } from "./program.ts";

/** A program that is the VMM to whoever starts it. */
export interface VmmUnderTest {
  readonly program: string;
  /** Why it cannot be tried here; empty when it can. */
  readonly absent: string;
  /** It is the VMM's own program, not the server. */
  readonly real: boolean;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // not there, or nothing that we may look at
  }
}

/** Whether the server has the description that it works by. */
export function describedHere(vmm: ServedVmm): boolean {
  return isFile(referencePath(`specs/${vmm.replace("_", "-")}-openapi.yaml`));
}

/**
 * `KATA_TEST_CLOUD_HYPERVISOR` and `KATA_TEST_FIRECRACKER` name the VMMs' own programs.
 * @param folder Gets the program that starts the server.
 */
export async function vmmUnderTest(vmm: ServedVmm, folder: string): Promise<VmmUnderTest> {
  const own = Deno.env.get(`KATA_TEST_${vmm.toUpperCase()}`);
  if (own !== undefined) {
    return { program: own, absent: isFile(own) ? "" : `no ${own}`, real: true };
  }
  const program = await vmmProgram(vmm, folder);
  return { program, absent: describedHere(vmm) ? "" : NO_REFERENCE, real: false };
}
