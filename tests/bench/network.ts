/** How fast packets go between host and container on one bridge, and what the network adds to a start. */
import { output } from "../../tools/lib/command.ts";
import type { Bench, BenchContext, Contender } from "../support/bench.ts";
import { recorder, spawnCtr } from "../support/bench.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import type { Containerd } from "../support/containerd.ts";
import type { Figure } from "../support/figures.ts";
import { netPeerFolder } from "../support/net/net_peer.ts";

/** Of a start's timeline, what is the network's. */
const STEPS = ["connect the network", "agent sets up the network"];
const BRIDGE = "kata-bench0", GATEWAY = "10.94.0.1", ADDRESS = "10.94.0.2";
const PORT = "8080";
const TRANSFER = 256e6, ROUND_TRIPS = 2000, CONNECT_SECONDS = 5, RATE = 1000;
/** An emulated guest on a busy machine may take long to boot. */
const PATIENT = "[agent.kata]\ndial_timeout = 300\n";

/** A pod's namespace on the bridge, as CNI's bridge plug-in leaves it. */
async function makeNamespace(name: string): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const ip = async (...words: string[]): Promise<void> => void await output(["ip", ...words]);
  await ip("netns", "add", name);
  undo.defer(() => ip("netns", "del", name));
  await ip("link", "add", BRIDGE, "type", "bridge");
  undo.defer(() => ip("link", "del", BRIDGE));
  await ip("addr", "add", `${GATEWAY}/24`, "dev", BRIDGE);
  await ip("link", "set", BRIDGE, "up");
  await ip("link", "add", "kata-bench1", "type", "veth", "peer", "name", "eth0", "netns", name);
  await ip("link", "set", "kata-bench1", "master", BRIDGE, "up");
  await ip("-n", name, "link", "set", "lo", "up");
  await ip("-n", name, "addr", "add", `${ADDRESS}/24`, "dev", "eth0");
  await ip("-n", name, "link", "set", "eth0", "up");
  await ip("-n", name, "route", "add", "default", "via", GATEWAY);
  return undo.move();
}

/** A container that serves, until disposal. */
async function serve(
  containerd: Containerd,
  contender: Contender,
  id: string,
  flags: readonly string[],
): Promise<AsyncDisposable> {
  const run = ["run", "--rm", "--runtime", contender.runtime, ...flags, BUSYBOX, id];
  const child = spawnCtr(containerd, [...run, "/peer/net_peer", "serve", PORT]);
  await child.stdin.close();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  if (value === undefined) throw new Error(`${id} did not start`);
  return {
    [Symbol.asyncDispose]: async () => {
      await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", id]);
      while (!(await reader.read()).done);
      await child.status;
    },
  };
}

/** The number at the beginning of what a program prints, or before the unit. */
function numberIn(text: string, pattern: RegExp): number {
  const found = Number(pattern.exec(text)?.[1]);
  if (Number.isFinite(found)) return found;
  throw new Error(`No figure in ${JSON.stringify(text)}`);
}

interface Measurement {
  readonly name: string;
  readonly unit: Figure["unit"];
  readonly argv: readonly string[];
  readonly pattern: RegExp;
  /** Default: net_peer. */
  readonly program?: string;
}

const MEASUREMENTS: readonly Measurement[] = [
  ...([["get", "out of the container"], ["put", "into the container"]] as const).map((
    [verb, way],
  ): Measurement => ({
    name: `TCP ${way}`,
    unit: "MB/s",
    argv: [verb, ADDRESS, PORT, String(TRANSFER)],
    pattern: /^([\d.]+) MB\/s right/,
  })),
  {
    name: "round trip, median",
    unit: "ms",
    argv: ["rr", ADDRESS, PORT, String(ROUND_TRIPS)],
    pattern: /^(\d+) us median/,
  },
  {
    name: "connections, one after the other",
    unit: "1/s",
    argv: ["conn", ADDRESS, PORT, "0", String(CONNECT_SECONDS)],
    pattern: / 0 bad (\d+) \/s/,
  },
  {
    name: `connection, ${RATE} begun a second, median`,
    unit: "ms",
    program: "net_storm",
    argv: [ADDRESS, PORT, String(RATE), String(CONNECT_SECONDS)],
    pattern: new RegExp(`^${RATE * CONNECT_SECONDS} good 0 bad .*?([\\d.]+) ms median`),
  },
];

/** What the timeline of a sandbox says of a step, in milliseconds. */
async function stepMs(id: string, step: string): Promise<number | undefined> {
  const root = "/run/kata-containers/sandboxes";
  for (const { name } of Deno.readDirSync(root)) {
    if (!name.startsWith(`${id}-`)) continue;
    const steps = JSON.parse(await Deno.readTextFile(`${root}/${name}/timeline.json`)) as {
      name: string;
      startMs: number;
      endMs: number;
    }[];
    const found = steps.find((each) => each.name === step);
    return found && found.endMs - found.startMs;
  }
  return undefined;
}

/** A runtime, how it is asked for, and what its figures' names end with. */
interface Variant {
  readonly contender: Contender;
  readonly suffix: string;
  readonly flags: readonly string[];
}

async function measure(context: BenchContext, tools: string, variant: Variant): Promise<void> {
  const record = recorder(context, "network"), { containerd, runs } = context;
  const { contender, suffix, flags } = variant;
  for (let round = 0; round < runs; round++) {
    const id = `network-${contender.label}${suffix.replaceAll(/[^a-z]/g, "")}-${round}`;
    await using _container = await serve(containerd, contender, id, flags);
    for (const { name, unit, argv, pattern, program = "net_peer" } of MEASUREMENTS) {
      const text = await output([`${tools}/${program}`, ...argv], { timeoutMs: 600_000 });
      const scale = / us /.test(text) ? 1e-3 : 1;
      record(contender, `${name}${suffix}`, unit, numberIn(text, pattern) * scale);
    }
    for (const step of contender.label === "runc" ? [] : STEPS) {
      const ms = await stepMs(id, step);
      if (ms !== undefined) record(contender, `${step}${suffix}`, "ms", ms);
    }
  }
}

/** Ours by each of its ways. */
async function variants(contenders: readonly Contender[], common: string[]): Promise<Variant[]> {
  const found: Variant[] = [];
  for (const contender of contenders) {
    if (contender.label === "runc") {
      found.push({ contender, suffix: "", flags: common });
      continue;
    }
    for (const [model, suffix] of [["tcfilter", ""], ["macvtap", ", macvtap"]] as const) {
      const path = await Deno.makeTempFile({ suffix: ".toml" });
      await Deno.writeTextFile(path, `${PATIENT}[runtime]\ninternetworking_model = "${model}"\n`);
      found.push({ contender, suffix, flags: ["--runtime-config-path", path, ...common] });
    }
  }
  return found;
}

async function run(context: BenchContext): Promise<void> {
  const tools = await netPeerFolder();
  await using _namespace = await makeNamespace("kata-bench");
  const mount = `type=bind,src=${tools},dst=/peer,options=rbind:ro`;
  const common = ["--mount", mount, "--with-ns", "network:/run/netns/kata-bench"];
  for (const variant of await variants(context.contenders, common)) {
    await measure(context, tools, variant);
  }
}

/** Throughput, latency and connections on a bridge. */
export const network: Bench = {
  name: "network",
  what: "packets between host and container on one bridge, by tcfilter and by macvtap",
  run,
};
