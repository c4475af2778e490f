import { Code, RuntimeError } from "../../../common/base/errors.ts";

const KIB_PER_MIB = 1024;

/** The host's pool of huge pages. */
export interface HugePages {
  readonly pageMiB: number;
  /** Pages that nobody has, and nobody was promised. */
  readonly available: number;
}

/** @param meminfo Text of /proc/meminfo. Source: proc(5). @returns `undefined` where the kernel has no huge pages. */
export function parseHugePages(meminfo: string): HugePages | undefined {
  const count = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d{1,15})\\b`, "m").exec(meminfo)?.[1] ?? NaN);
  const pageKiB = count("Hugepagesize");
  const available = count("HugePages_Free") - count("HugePages_Rsvd");
  if (!(pageKiB >= KIB_PER_MIB) || !(available >= 0)) return undefined;
  return { pageMiB: pageKiB / KIB_PER_MIB, available };
}

/**
 * Refuses what the host's huge pages cannot hold, before QEMU would die of it.
 * @throws {RuntimeError} FailedPrecondition or InvalidArgument, naming the key.
 */
export function checkHugePages(pages: HugePages | undefined, memoryMiB: number): void {
  if (pages === undefined) throw refused("the host's kernel has no huge pages");
  const { pageMiB, available } = pages;
  if (memoryMiB % pageMiB !== 0) {
    throw new RuntimeError(
      Code.InvalidArgument,
      `default_memory: ${memoryMiB} MiB are not whole huge pages of ${pageMiB} MiB`,
    );
  }
  const needed = memoryMiB / pageMiB;
  if (needed <= available) return;
  throw refused(
    `the VM needs ${needed} huge pages of ${pageMiB} MiB, the host has ${available} free (vm.nr_hugepages)`,
  );
}

function refused(problem: string): RuntimeError {
  return new RuntimeError(Code.FailedPrecondition, `enable_hugepages = true: ${problem}`);
}
