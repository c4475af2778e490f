/** Kubernetes' critest against a private containerd 2.x that has our handler and runc's. */
import { command } from "../../tools/lib/command.ts";
import { ROOT } from "../../tools/lib/paths.ts";
import { buildTemplate } from "../../tools/lib/template.ts";
import { Containerd } from "../support/containerd.ts";
import { cniConfig, containerdConfig } from "../support/cri/node_config.ts";
import { requireCritest } from "./critest.ts";
import type { Contender } from "./client_suite.ts";
import { focusOn, parseGinkgo } from "./ginkgo.ts";
import { writeGuestConfig } from "./guest_config.ts";
import type { Kit } from "./kit.ts";
import type { Results } from "./results.ts";

/** How one run is to be. */
export interface CritestRun {
  readonly label: Contender["label"];
  readonly cases: readonly string[];
  /** What the registry's clients must trust. */
  readonly authority: string;
  /** Where logs go. */
  readonly folder: string;
}

/** Ample for all cases; ginkgo itself ends a run that takes longer, and names the case that hung. */
const TIMEOUT_MINUTES = { kata: 60, runc: 20 } as const;

/** Where the daemon takes plugins, in folders that are the suite's own. Source: containerd 2.x, nri's default. */
const NRI_SOCKET = "/var/run/nri/nri.sock";

/** Any, but always the same: critest shuffles its cases. */
const SEED = 1;

/** A daemon with both handlers and a network for pods. */
async function startNode(run: CritestRun, kit: Kit): Promise<Containerd> {
  const config = await writeGuestConfig(run.folder);
  if (run.label === "kata") await buildTemplate(config);
  return await Containerd.start({
    program: `${kit.bin}/containerd`,
    shimDir: kit.bin,
    env: { SSL_CERT_FILE: run.authority, KATA_CONF_FILE: config },
    configText: async (directory) => {
      await Deno.mkdir(`${directory}/cni`);
      await Deno.writeTextFile(`${directory}/cni/10-test.conflist`, cniConfig(directory));
      return containerdConfig(directory, 3);
    },
  });
}

/**
 * Runs the cases, one after another, and reads how they ended. In the folder are then `critest-<runtime>.log`, what was
 * printed, `critest-<runtime>.json`, the report, and `critest-<runtime>-containerd.log`.
 */
export async function runCritest(run: CritestRun, kit: Kit): Promise<Results> {
  const { label, cases, folder } = run;
  const program = await requireCritest(), name = `${folder}/critest-${label}`;
  const minutes = TIMEOUT_MINUTES[label];
  await using node = await startNode(run, kit);
  using log = await Deno.open(`${name}.log`, { write: true, create: true, truncate: true });
  await command([
    program,
    ...["-runtime-endpoint", `unix://${node.address}`, "-runtime-handler", label],
    ...["-nri-socket", NRI_SOCKET],
    ...[`-ginkgo.focus=${focusOn(cases)}`, `-ginkgo.seed=${SEED}`, "-ginkgo.no-color"],
    ...[`-ginkgo.json-report=${name}.json`, `-ginkgo.timeout=${minutes}m`],
  ], { timeoutMs: (minutes + 2) * 60_000, cwd: folder, tee: (bytes) => log.writeSync(bytes) });
  await Deno.copyFile(`${node.directory}/log`, `${name}-containerd.log`);
  return parseGinkgo(await Deno.readTextFile(`${name}.json`));
}

/** The cases that runc passes on a machine such as ours. */
export async function critestCases(): Promise<string[]> {
  const text = await Deno.readTextFile(`${ROOT}/tests/conformance/critest_cases.txt`);
  return text.trim().split("\n");
}
