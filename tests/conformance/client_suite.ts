/** containerd's own client tests: they start, use and restart a daemon of their own. */
import { command } from "../../tools/lib/command.ts";
import { DIST, ROOT } from "../../tools/lib/paths.ts";
import { buildTemplate } from "../../tools/lib/template.ts";
import { writeGuestConfig } from "./guest_config.ts";
import type { Kit } from "./kit.ts";
import { heldUp, parseGoTest, type Results } from "./results.ts";

/** A daemon to test with. */
export interface Daemon {
  /** As docs/conformance.md calls it. */
  readonly version: "1.6" | "2";
  /** Folders of its programs, which come first on PATH. */
  readonly path: readonly string[];
}

/** The daemons: one built from the newest release, and Debian's. */
export function daemons(kit: Kit): Daemon[] {
  const debian = [`${ROOT}/tests/conformance/containerd-1.6`, "/usr/bin"];
  return [{ version: "2", path: [kit.bin] }, { version: "1.6", path: debian }];
}

/** What is tested: a runtime by its name. */
export interface Contender {
  readonly label: "kata" | "runc";
  readonly runtime: string;
}

/** How one run is to be. */
export interface ClientRun {
  readonly daemon: Daemon;
  readonly contender: Contender;
  /** Names of the top-level cases to run. */
  readonly cases: readonly string[];
  readonly parallel: number;
  /** What the registry's clients must trust. */
  readonly authority: string;
  /** Where logs go. */
  readonly folder: string;
}

/** Ample for all cases; what takes longer hangs, and the others are run without it. One case alone moves 690 MB. */
const TIMEOUT_MS = { kata: 40 * 60_000, runc: 10 * 60_000 } as const;

/** The suite leaves cases out that wrap runc with a program of its own; what runs containers in our guest is crun. */
function flavour({ label }: Contender): string {
  return label === "runc" ? "runc" : "crun";
}

async function environment(
  run: ClientRun,
  kit: Kit,
  config: string,
): Promise<Record<string, string>> {
  const { daemon, contender, authority, folder } = run;
  const temporary = `${folder}/tmp`;
  await Deno.mkdir(temporary, { recursive: true });
  return {
    PATH: [...daemon.path, DIST, kit.bin, Deno.env.get("PATH")].join(":"),
    TEST_RUNTIME: contender.runtime,
    RUNC_FLAVOR: flavour(contender),
    SSL_CERT_FILE: authority,
    TMPDIR: temporary,
    KATA_CONF_FILE: config,
  };
}

/**
 * Runs the cases and reads how they ended; all that was printed goes to `<folder>/client-<daemon>-<runtime>.log`.
 * @param renew Called before the cases that a hanging one has held up are run.
 */
export async function runClientTests(
  run: ClientRun,
  kit: Kit,
  renew: () => Promise<void>,
): Promise<Results> {
  const { daemon, contender, folder } = run;
  using file = await Deno.open(`${folder}/client-${daemon.version}-${contender.label}.log`, {
    ...{ write: true, create: true, truncate: true },
  });
  const env = await environment(run, kit, await writeGuestConfig(folder));
  if (contender.label === "kata") await buildTemplate(env.KATA_CONF_FILE);
  let text = "";
  for (let left = run.cases; left.length > 0; left = heldUp(left, text)) {
    if (text !== "") await renew();
    text += await runOnce({ ...run, cases: left }, kit, env, file);
  }
  return parseGoTest(text);
}

/** @returns What the test program printed. */
async function runOnce(
  { cases, contender, parallel }: ClientRun,
  kit: Kit,
  env: Record<string, string>,
  log: Deno.FsFile,
): Promise<string> {
  const timeoutMs = TIMEOUT_MS[contender.label];
  const { stdout, stderr } = await command([
    `${kit.bin}/client.test`,
    ...["-test.root", "-no-criu", "-test.v", "-test.timeout", `${timeoutMs / 1000}s`],
    ...["-test.parallel", `${parallel}`, "-test.run", `^(${cases.join("|")})$`],
  ], {
    cwd: kit.clientSource,
    env,
    timeoutMs: timeoutMs + 60_000,
    tee: (bytes) => log.writeSync(bytes),
  });
  return stdout + stderr;
}

/** The cases that tell a working runtime from one that does nothing. */
export async function clientCases(): Promise<string[]> {
  const text = await Deno.readTextFile(`${ROOT}/tests/conformance/client_cases.txt`);
  return text.trim().split("\n");
}
