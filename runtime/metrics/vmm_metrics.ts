/** What a VMM counts, in Prometheus' text format: names are the VMM's own, so they are labels. */
const NAME = "kata_vmm_counter";

/** Source: Prometheus, "Exposition formats": what a label's value must not hold as it is. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** @param counters Figures by device; none: no text. */
export function vmmMetrics(
  counters: Readonly<Record<string, Readonly<Record<string, number>>>>,
): string {
  const samples = Object.entries(counters).flatMap(([device, figures]) =>
    Object.entries(figures).map(([figure, value]) =>
      `${NAME}{device="${escaped(device)}",figure="${escaped(figure)}"} ${value}`
    )
  );
  if (samples.length === 0) return "";
  return [`# HELP ${NAME} What the VMM counts.`, `# TYPE ${NAME} gauge`, ...samples, ""].join("\n");
}
