import type { VmCounters } from "./hypervisor.ts";

/** Most figures that are taken from one VMM. */
const MAX_FIGURES = 4096;

/** The figures of a VMM's JSON, two levels deep; whatever is no figure there is left out. */
export function countersOf(value: unknown): VmCounters {
  let left = MAX_FIGURES;
  const figures = (group: object): Record<string, number> =>
    Object.fromEntries(
      Object.entries(group).filter(([, figure]) => Number.isFinite(figure) && left-- > 0),
    );
  if (!isRecord(value)) return {};
  const groups = Object.entries(value).filter(([, group]) => isRecord(group))
    .map(([name, group]) => [name, figures(group as object)] as const);
  return Object.fromEntries(groups.filter(([, group]) => Object.keys(group).length > 0));
}

function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
