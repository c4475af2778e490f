/** GetMetrics, in Prometheus's text format. Names are those of Kata's agent where it has the same figure. */
import { readNetworkStats } from "../network/stats.ts";
import type { Guest } from "./guest.ts";

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

const PAGE_BYTES = 4096;

/** Everything at this moment. */
export async function metricsText(guest: Guest): Promise<string> {
  const [memory, load, agent] = await Promise.all(
    ["/proc/meminfo", "/proc/loadavg", "/proc/self/statm"].map((path) => Deno.readTextFile(path)),
  );
  return [
    startMetric(guest),
    containersMetric(guest),
    memoryMetric(memory ?? ""),
    loadMetric(load ?? ""),
    residentMetric(agent ?? ""),
    openFilesMetric(),
    tasksMetric(load ?? ""),
    await interfacesMetric(),
  ].map(format).join("");
}

function startMetric({ timeline }: Guest): Metric {
  return {
    name: "kata_agent_start_step_seconds",
    help: "When a step of the guest's start was over, counted from the start of its kernel.",
    type: "gauge",
    samples: timeline.steps.map(({ name, atMs }) => ({
      labels: { step: name },
      value: atMs / 1000,
    })),
  };
}

function containersMetric({ pod }: Guest): Metric {
  return {
    name: "kata_agent_containers",
    help: "Containers in the guest.",
    type: "gauge",
    samples: [{ value: pod.containers.length }],
  };
}

function memoryMetric(text: string): Metric {
  const samples = [...text.matchAll(/^(\w+):\s+(\d+) kB$/gm)].map((match) => ({
    labels: { item: (match[1] ?? "").toLowerCase() },
    value: Number(match[2]) * 1024,
  }));
  return {
    name: "kata_guest_meminfo",
    help: "Memory of the guest, in bytes.",
    type: "gauge",
    samples,
  };
}

function loadMetric(text: string): Metric {
  const values = text.split(" ").slice(0, 3).map(Number);
  const samples = ["load1", "load5", "load15"].map((item, index) => ({
    labels: { item },
    value: values[index] ?? 0,
  }));
  return { name: "kata_guest_load", help: "Load of the guest.", type: "gauge", samples };
}

function residentMetric(text: string): Metric {
  const pages = Number(text.split(" ")[1] ?? 0);
  return {
    name: "kata_agent_process_resident_memory_bytes",
    help: "Memory of the agent.",
    type: "gauge",
    samples: [{ value: pages * PAGE_BYTES }],
  };
}

function openFilesMetric(): Metric {
  return {
    name: "kata_agent_process_open_fds",
    help: "File descriptors of the agent.",
    type: "gauge",
    samples: [{ value: [...Deno.readDirSync("/proc/self/fd")].length }],
  };
}

/** Source: proc(5), /proc/loadavg, fourth field. */
function tasksMetric(text: string): Metric {
  return {
    name: "kata_guest_tasks",
    help: "Threads and processes of the guest, zombies included.",
    type: "gauge",
    samples: [{ value: Number(/\/(\d+) /.exec(text)?.[1] ?? 0) }],
  };
}

/** Items are called as Kata's agent calls them. */
async function interfacesMetric(): Promise<Metric> {
  const samples = (await readNetworkStats()).flatMap((stats) =>
    ([
      ["recv_bytes", stats.rxBytes],
      ["recv_packets", stats.rxPackets],
      ["recv_errs", stats.rxErrors],
      ["recv_drop", stats.rxDropped],
      ["sent_bytes", stats.txBytes],
      ["sent_packets", stats.txPackets],
      ["sent_errs", stats.txErrors],
      ["sent_drop", stats.txDropped],
    ] as const).map(([item, value]) => ({
      labels: { interface: stats.name ?? "", item },
      value: Number(value),
    }))
  );
  return {
    name: "kata_guest_netdev_stat",
    help: "Traffic of the guest's interfaces, errors and drops.",
    type: "counter",
    samples,
  };
}

/** Source: Prometheus, "Text-based format". */
function format({ name, help, type, samples }: Metric): string {
  const lines = samples.map(({ labels, value }) => `${name}${formatLabels(labels)} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n");
}

function formatLabels(labels: Sample["labels"]): string {
  if (!labels) return "";
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `{${pairs.join(",")}}`;
}
