/** How long Podman and Docker take to a container's first output, and what the command line itself costs. */
import { command } from "../../tools/lib/command.ts";
import type { Bench, BenchContext } from "../support/bench.ts";
import { since } from "../support/bench.ts";
import { Bundle } from "../support/bundle.ts";
import { Docker } from "../support/docker.ts";
import { podAnnotations } from "../support/oci_bundle.ts";
import { KATA_RUNTIME, OciCli } from "../support/oci_cli.ts";
import { Podman } from "../support/podman.ts";

/** The runtimes to compare, by the engine's name for them. */
const RUNTIMES = { crun: "/usr/bin/crun", runc: "/usr/sbin/runc", kata: KATA_RUNTIME } as const;
type Runtime = keyof typeof RUNTIMES;

const BENCH = "engines";
/** Without a network, which costs every runtime the same. */
const ALONE = ["--network", "none"];
/** Containers of the pod whose daemon is measured. */
const MEMBERS = 5;

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

/** In turns, so that other load on the machine meets all alike. */
async function inTurns(
  context: BenchContext,
  name: string,
  commands: ReadonlyMap<Runtime, readonly [string, ...string[]]>,
): Promise<void> {
  for (let round = 0; round < context.runs; round++) {
    for (const [runtime, argv] of commands) {
      recordMs(context, runtime, `${name}: first output`, await firstOutput(argv));
    }
  }
}

const NAMES = Object.keys(RUNTIMES) as Runtime[];

async function podman(context: BenchContext): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const commands = new Map<Runtime, readonly [string, ...string[]]>();
  for (const runtime of NAMES) {
    const engine = undo.use(await Podman.start(RUNTIMES[runtime]));
    commands.set(runtime, engine.argv("run", "--rm", ...ALONE, "busybox", "echo", "hi"));
  }
  await inTurns(context, "podman run", commands);
}

async function docker(context: BenchContext): Promise<void> {
  await using engine = await Docker.start();
  const command = (runtime: Runtime, ...flags: readonly string[]) =>
    engine.argv("run", "--rm", "--runtime", runtime, ...flags, "busybox", "echo", "hi");
  const commands = (...flags: readonly string[]) =>
    new Map(NAMES.map((runtime) => [runtime, command(runtime, ...flags)]));
  await inTurns(context, "docker run", commands(...ALONE));
  await inTurns(context, "docker run with a network", commands());
}

/** Memory of a process with shared pages divided among those that share them, in MiB. */
function pssMiB(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1]) / 1024;
}

function recordMiB(context: BenchContext, name: string, pid: number): void {
  const figure = {
    bench: BENCH,
    name: `PSS of the ${name}`,
    runtime: "kata",
    unit: "MiB",
  } as const;
  context.figures.record(figure, pssMiB(pid));
}

/** Starts a container of a pod in the background. */
async function runDetached(cli: OciCli, bundle: Bundle, id: string): Promise<void> {
  const script = `exec "$@" >${bundle.path}/out 2>&1 </dev/null`;
  const line = [...cli.argv("run", "--detach"), "-b", bundle.path, id];
  const { code } = await command(["sh", "-c", script, "sh", ...line]);
  if (code !== 0) throw new Error(Deno.readTextFileSync(`${bundle.path}/out`));
}

async function daemonOf(cli: OciCli, pod: string): Promise<number> {
  const sandboxes = JSON.parse(await cli.output(["sandboxes", "--json"]));
  return sandboxes.find(({ id }: { id: string }) => id === pod).shim.pid;
}

/** What each call of the command line takes, and what one container and then a pod of several hold. */
async function commandLine(context: BenchContext): Promise<void> {
  await using undo = new AsyncDisposableStack();
  await using cli = new OciCli();
  for (let at = 0; at < MEMBERS; at++) {
    const kind = at === 0 ? "sandbox" : "container", id = `bench${at}`;
    const annotations = podAnnotations(kind, "bench0");
    const bundle = undo.use(Bundle.make(["sleep", "1000"], { json: { annotations } }));
    await runDetached(cli, bundle, id);
    const { pid } = JSON.parse(await cli.output(["state", id]));
    recordMiB(context, "relay, each container", pid);
    if (at === 0) recordMiB(context, "daemon, one container", await daemonOf(cli, id));
  }
  recordMiB(context, `daemon, ${MEMBERS} containers`, await daemonOf(cli, "bench0"));
  for (let round = 0; round < 4 * context.runs; round++) {
    const started = performance.now();
    await cli.output(["state", "bench0"]);
    recordMs(context, "kata", "kata-runtime state", since(started));
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
