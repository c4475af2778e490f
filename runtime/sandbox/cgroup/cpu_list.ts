import { Code, RuntimeError } from "../../../common/base/errors.ts";

/** More processors than any host has. */
const MAX_CPU = 8191;

/**
 * Reads the kernel's list of processors or memory nodes, such as `0-3,7`.
 * @throws {RuntimeError} InvalidArgument.
 */
export function parseCpuList(text: string): number[] {
  const parts = text.trim() === "" ? [] : text.trim().split(",");
  return parts.flatMap((part) => {
    const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part.trim());
    const first = Number(match?.[1]), last = Number(match?.[2] ?? match?.[1]);
    if (!match || last < first || last > MAX_CPU) throw refused(text);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}

/** Writes it, in order and with ranges. */
export function formatCpuList(cpus: Iterable<number>): string {
  const ranges: [first: number, last: number][] = [];
  for (const cpu of [...new Set(cpus)].sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range && range[1] === cpu - 1) range[1] = cpu;
    else ranges.push([cpu, cpu]);
  }
  return ranges.map(([first, last]) => first === last ? `${first}` : `${first}-${last}`).join(",");
}

function refused(text: string): RuntimeError {
  const shown = JSON.stringify(text.slice(0, 80));
  return new RuntimeError(
    Code.InvalidArgument,
    `${shown} is no list of processors such as "0-3,7"`,
  );
}
