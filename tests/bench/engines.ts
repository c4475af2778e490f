/** How long Podman and Docker take to a container's first output, and what the command line itself costs. */
import { command } from "../../tools/lib/command.ts";
import type { Bench, BenchContext } from "../support/bench.ts";
import { since } from "../support/bench.ts";
import { Bundle } from "../support/bundle.ts";
import { Docker } from "../support/docker.ts";
import { KATA_RUNTIME, OciCli } from "../support/oci_cli.ts";
import { Podman } from "../support/podman.ts";

/** The runtimes to compare, by the engine's name for them. */
const RUNTIMES = { crun: "/usr/bin/crun", runc: "/usr/sbin/runc", kata: KATA_RUNTIME } as const;
type Runtime = keyof typeof RUNTIMES;

const BENCH = "engines";

function recordMs(context: BenchContext, runtime: string, name: string, ms: number): void {
  context.figures.record({ bench: BENCH, name, runtime, unit: "ms" }, ms);
}

/** The time until a command's first byte, which must come. */
async function firstOutput(argv: readonly [string, ...string[]]): Promise<number> {
  const [program, ...args] = argv, started = performance.now();
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "null" })
    .spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const ms = since(started);
  while (!(await reader.read()).done);
  const { code } = await child.status;
  if (code !== 0 || value === undefined) throw new Error(`${argv.join(" ")}: status ${code}`);
  return ms;
}

async function podman(context: BenchContext): Promise<void> {
  for (const runtime of Object.keys(RUNTIMES) as Runtime[]) {
    await using engine = await Podman.start(RUNTIMES[runtime]);
    const argv = engine.argv("run", "--rm", "--network", "none", "busybox", "echo", "hi");
    for (let round = 0; round < context.runs; round++) {
      recordMs(context, runtime, "podman run: first output", await firstOutput(argv));
    }
  }
}

async function docker(context: BenchContext): Promise<void> {
  await using engine = await Docker.start();
  for (const runtime of ["runc", "kata"]) {
    const argv = engine.argv("run", "--rm", "--runtime", runtime, "busybox", "echo", "hi");
    for (let round = 0; round < context.runs; round++) {
      recordMs(context, runtime, "docker run: first output", await firstOutput(argv));
    }
  }
}

/** Memory of a process with shared pages divided among those that share them, in MiB. */
function pssMiB(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1]) / 1024;
}

async function commandLine(context: BenchContext): Promise<void> {
  await using cli = new OciCli();
  using bundle = Bundle.make(["sleep", "1000"]);
  const script = `exec "$@" >${bundle.path}/out 2>&1 </dev/null`;
  const line = [...cli.argv("run", "--detach"), "-b", bundle.path, "bench"];
  const { code } = await command(["sh", "-c", script, "sh", ...line]);
  if (code !== 0) throw new Error(Deno.readTextFileSync(`${bundle.path}/out`));
  for (let round = 0; round < 4 * context.runs; round++) {
    const started = performance.now();
    await cli.output(["state", "bench"]);
    recordMs(context, "kata", "kata-runtime state", since(started));
  }
  const { pid } = JSON.parse(await cli.output(["state", "bench"]));
  const sandboxes = JSON.parse(await cli.output(["sandboxes", "--json"]));
  const { shim } = sandboxes.find(({ id }: { id: string }) => id === "bench");
  for (const [name, each] of [["relay", pid], ["daemon", shim.pid]]) {
    const figure = {
      bench: BENCH,
      name: `PSS of the ${name}`,
      runtime: "kata",
      unit: "MiB",
    } as const;
    context.figures.record(figure, pssMiB(each));
  }
}

async function run(context: BenchContext): Promise<void> {
  await commandLine(context);
  await podman(context);
  await docker(context);
}

/** Podman and Docker with the command line. */
export const engines: Bench = {
  name: BENCH,
  what: "first output by Podman and Docker, state latency, memory of relay and daemon",
  run,
};
