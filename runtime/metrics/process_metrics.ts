/** Figures of processes of the host, in Prometheus' text format. Source of names: Kata Containers' metrics. */

/** A process of a sandbox. */
export interface CountedProcess {
  /** Such as `shim` or `qemu`. */
  readonly role: string;
  readonly pid: number;
}

/** One figure of each process. */
interface Figure {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly of: (pid: number) => number | undefined;
}

/** Length of a clock tick in /proc/pid/stat in seconds: USER_HZ is 100 on every Linux that Deno runs on. */
const TICK_SECONDS = 0.01;
const KIB = 1024;

function read(pid: number, file: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${file}`);
  } catch {
    return ""; // it has ended meanwhile, or we may not look
  }
}

function numberIn(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

/** User and system time. Source: proc(5), fields 14 and 15 of /proc/pid/stat. */
function cpuSeconds(pid: number): number | undefined {
  const stat = read(pid, "stat");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[14 - 3]) + Number(fields[15 - 3]);
  return Number.isFinite(ticks) ? ticks * TICK_SECONDS : undefined;
}

function openFiles(pid: number): number | undefined {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
  } catch {
    return undefined; // as above
  }
}

const FIGURES: readonly Figure[] = [
  {
    name: "kata_process_cpu_seconds_total",
    help: "User and system time.",
    type: "counter",
    of: cpuSeconds,
  },
  {
    name: "kata_process_resident_memory_bytes",
    help: "Memory in use, shared pages counted in full.",
    type: "gauge",
    of: (pid) => scaled(numberIn(read(pid, "status"), "VmRSS"), KIB),
  },
  {
    name: "kata_process_proportional_memory_bytes",
    help: "Memory in use, shared pages divided among those that share them.",
    type: "gauge",
    of: (pid) => scaled(numberIn(read(pid, "smaps_rollup"), "Pss"), KIB),
  },
  {
    name: "kata_process_threads",
    help: "Threads.",
    type: "gauge",
    of: (pid) => numberIn(read(pid, "status"), "Threads"),
  },
  {
    name: "kata_process_open_files",
    help: "Open descriptors.",
    type: "gauge",
    of: openFiles,
  },
  {
    name: "kata_process_read_bytes_total",
    help: "Bytes read from disks.",
    type: "counter",
    of: (pid) => numberIn(read(pid, "io"), "read_bytes"),
  },
  {
    name: "kata_process_written_bytes_total",
    help: "Bytes written to disks.",
    type: "counter",
    of: (pid) => numberIn(read(pid, "io"), "write_bytes"),
  },
];

function format({ name, help, type, of }: Figure, processes: readonly CountedProcess[]): string {
  const samples = processes.flatMap(({ role, pid }) => {
    const value = of(pid);
    return value === undefined ? [] : [`${name}{role="${role}",pid="${pid}"} ${value}`];
  });
  return samples.length === 0
    ? ""
    : [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples, ""].join("\n");
}

/** All figures of these processes; what cannot be read is left out. */
export function processMetrics(processes: readonly CountedProcess[]): string {
  return FIGURES.map((figure) => format(figure, processes)).join("");
}
