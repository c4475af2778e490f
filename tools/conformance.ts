/** Runs third-party suites; tools/conformance describes it, and gives them namespaces of their own. */
import { parseArgs } from "node:util";
import {
  clientCases,
  type Contender,
  type Daemon,
  daemons,
  runClientTests,
} from "../tests/conformance/client_suite.ts";
import { prepareCritest } from "../tests/conformance/critest.ts";
import { critestImages } from "../tests/conformance/critest_images.ts";
import { critestCases, runCritest } from "../tests/conformance/critest_suite.ts";
import { registryImages } from "../tests/conformance/images.ts";
import { findKit, type Kit, prepareKit } from "../tests/conformance/kit.ts";
import { furnish, refurnish } from "../tests/conformance/machine.ts";
import { prepareNerdctl } from "../tests/conformance/nerdctl.ts";
import { ociCases, runOciValidation } from "../tests/conformance/oci_suite.ts";
import { makeCertificate, serveRegistry } from "../tests/conformance/registry.ts";
import {
  isExempt,
  only,
  parseExemptions,
  type Results,
  summary,
} from "../tests/conformance/results.ts";
import { RUNC, SHIM_NAME } from "../tests/support/containerd.ts";
import { command } from "./lib/command.ts";
import { DIST, ROOT } from "./lib/paths.ts";
import { note, print, progress } from "./lib/terminal.ts";

const CONTENDERS: readonly Contender[] = [
  { label: "kata", runtime: SHIM_NAME },
  { label: "runc", runtime: RUNC },
];

const SUITES = ["client", "oci", "critest", "cri"] as const;

/** Longest run of our own tests, in milliseconds. */
const CRI_TIMEOUT_MS = 2 * 60 * 60_000;

/** The daemon that critest runs with. */
const CRITEST_DAEMON = "2";

interface Options {
  readonly prepare: boolean;
  /** Not in namespaces of its own: only our tests run there, and they nowhere else. */
  readonly outside: boolean;
  readonly suites: readonly string[];
  readonly run: RegExp;
  readonly containerd: string | undefined;
  readonly contenders: readonly Contender[];
  readonly parallel: number;
}

/** @throws {Error} Naming the word that is not known. */
function readOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      prepare: { type: "boolean" },
      outside: { type: "boolean" },
      run: { type: "string" },
      containerd: { type: "string" },
      runtime: { type: "string" },
      parallel: { type: "string" },
    },
  });
  const unknown = positionals.find((name) => !(SUITES as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new Error(`No suite "${unknown}": there are ${SUITES.join(", ")}`);
  }
  const { runtime } = values;
  const contenders = CONTENDERS.filter(({ label }) => runtime === undefined || label === runtime);
  if (contenders.length === 0) throw new Error(`No runtime "${runtime}": there are kata and runc`);
  return {
    prepare: values.prepare ?? false,
    outside: values.outside ?? false,
    suites: positionals.length === 0 ? SUITES : positionals,
    run: new RegExp(values.run ?? ""),
    containerd: values.containerd,
    contenders,
    parallel: Number(values.parallel ?? 2),
  };
}

/** What a suite says with one daemon, for each runtime by label. */
interface Outcome {
  readonly suite: string;
  readonly containerd: string;
  readonly results: ReadonlyMap<string, Results>;
}

async function clientOutcomes(options: Options, kit: Kit, folder: string): Promise<Outcome[]> {
  const certificate = await makeCertificate(folder);
  await using _registry = await serveRegistry(await registryImages(), certificate);
  const cases = (await clientCases()).filter((name) => options.run.test(name));
  const top = [...new Set(cases.map((name) => name.replace(/\/.*$/, "")))];
  const outcomes: Outcome[] = [];
  const wanted = ({ version }: Daemon): boolean => version === (options.containerd ?? version);
  for (const daemon of daemons(kit).filter(wanted)) {
    const results = new Map<string, Results>();
    for (const contender of options.contenders) {
      progress(`containerd's client tests: containerd ${daemon.version}, ${contender.label}`);
      const { authority } = certificate, { parallel } = options;
      const run = { daemon, contender, cases: top, parallel, authority, folder };
      results.set(contender.label, only(await runClientTests(run, kit, refurnish), cases));
      await refurnish();
    }
    outcomes.push({ suite: "client", containerd: daemon.version, results });
  }
  return outcomes;
}

async function ociOutcome(options: Options, kit: Kit, folder: string): Promise<Outcome> {
  const cases = (await ociCases()).filter((name) => options.run.test(name));
  const results = new Map<string, Results>();
  for (const { label } of options.contenders) {
    progress(`runtime-tools' validation: ${label}`);
    const program = label === "runc" ? "runc" : `${DIST}/kata-runtime`;
    results.set(label, await runOciValidation(program, cases, kit, folder));
  }
  return { suite: "oci", containerd: "", results };
}

async function critestOutcome(options: Options, kit: Kit, folder: string): Promise<Outcome> {
  const certificate = await makeCertificate(folder);
  await using _registry = await serveRegistry(await critestImages(), certificate);
  const cases = (await critestCases()).filter((name) => options.run.test(name));
  const results = new Map<string, Results>();
  for (const { label } of options.contenders) {
    progress(`critest: containerd ${CRITEST_DAEMON}, ${label}`);
    const run = { label, cases, authority: certificate.authority, folder };
    results.set(label, only(await runCritest(run, kit), cases));
    await refurnish();
  }
  return { suite: "critest", containerd: CRITEST_DAEMON, results };
}

/** Our own tests through CRI. @returns Whether all passed; they have said themselves what they did. */
async function runCri(): Promise<boolean> {
  progress("our tests through CRI");
  const tee = (bytes: Uint8Array): number => Deno.stderr.writeSync(bytes);
  const argv = [`${ROOT}/tools/test`, "cri"] as const;
  const { code, stdout } = await command(argv, { timeoutMs: CRI_TIMEOUT_MS, tee });
  print(`cri, kata: ${stdout.trimEnd().split("\n").at(-1)}`);
  return code === 0;
}

/** Cases that count: that runc fails here too, the machine is to blame. */
function unexplained({ containerd, results }: Outcome, text: string): string[] {
  const exemptions = parseExemptions(text);
  const alsoRunc = results.get("runc")?.failed;
  return [...results.get("kata")?.failed ?? []].filter((name) =>
    !alsoRunc?.has(name) && !isExempt(exemptions, name, containerd)
  );
}

/** @returns Whether every failure is explained. */
function report(outcome: Outcome, text: string): boolean {
  const { suite, containerd, results } = outcome;
  const where = containerd === "" ? suite : `${suite}, containerd ${containerd}`;
  for (const [label, each] of results) print(`${where}, ${label}: ${summary(each)}`);
  const found = unexplained(outcome, text);
  for (const name of results.get("kata")?.failed ?? []) {
    print(`  ${found.includes(name) ? "FAILED" : "explained"} ${name}`);
  }
  return found.length === 0;
}

async function main(options: Options): Promise<number> {
  if (options.prepare) {
    const go = Deno.env.get("GO") ?? "go";
    const { bin } = await prepareKit(go);
    await prepareNerdctl(go);
    await prepareCritest(go);
    progress(`the suites are in ${bin.replace(/\/bin$/, "")}`);
    return 0;
  }
  if (options.outside) return await ourTests(options);
  if (!options.suites.some((name) => name !== "cri")) return 0;
  const kit = await findKit();
  if (kit === undefined) {
    throw new Error("The suites are not built: run tools/conformance --prepare");
  }
  const folder = await Deno.makeTempDir({ prefix: "kata-conformance-" });
  await Deno.chmod(folder, 0o755); // a container's user without rights on the host must come through
  note(`logs: ${folder}`);
  await furnish(folder);
  const outcomes = options.suites.includes("client")
    ? await clientOutcomes(options, kit, folder)
    : [];
  if (options.suites.includes("oci")) outcomes.push(await ociOutcome(options, kit, folder));
  if (wantsCritest(options)) outcomes.push(await critestOutcome(options, kit, folder));
  const text = await Deno.readTextFile(`${ROOT}/docs/conformance.md`);
  const verdicts = outcomes.map((outcome) => report(outcome, text));
  return verdicts.every(Boolean) ? 0 : 1;
}

function wantsCritest({ suites, containerd = CRITEST_DAEMON }: Options): boolean {
  return suites.includes("critest") && containerd === CRITEST_DAEMON;
}

async function ourTests({ contenders, suites }: Options): Promise<number> {
  const wanted = suites.includes("cri") && contenders.some(({ label }) => label === "kata");
  return !wanted || await runCri() ? 0 : 1;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(readOptions(Deno.args)));
  } catch (error) {
    progress(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
