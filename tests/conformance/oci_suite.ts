/** opencontainers/runtime-tools' validation: programs that drive an OCI command line and print TAP. */
import { command } from "../../tools/lib/command.ts";
import { ROOT } from "../../tools/lib/paths.ts";
import type { Kit } from "./kit.ts";
import type { Results } from "./results.ts";

const CASE_TIMEOUT_MS = 120_000;

/** Judges what one program printed. Source: the Test Anything Protocol. */
export function judgeTap(text: string, code: number): "passed" | "failed" | "skipped" {
  const lines = text.split("\n");
  const good = lines.filter((line) => /^ok\b/.test(line));
  const skipped = good.filter((line) => /# skip/i.test(line));
  if (code !== 0 || good.length === 0 || lines.some((line) => line.startsWith("not ok"))) {
    return "failed";
  }
  return skipped.length === good.length ? "skipped" : "passed";
}

/** Runs the cases, one after another, against an OCI command line. */
export async function runOciValidation(
  runtime: string,
  cases: readonly string[],
  kit: Kit,
  folder: string,
): Promise<Results> {
  const work = `${folder}/oci`, program = runtime.replace(/^.*\//, "");
  await Deno.mkdir(`${work}/tmp`, { recursive: true });
  await Deno.copyFile(kit.rootfsArchive, `${work}/rootfs-amd64.tar.gz`);
  await Deno.copyFile(`${kit.bin}/runtimetest`, `${work}/runtimetest`);
  const env = { RUNTIME: runtime, TMPDIR: `${work}/tmp`, PATH: Deno.env.get("PATH") ?? "" };
  const by = { passed: new Set<string>(), failed: new Set<string>(), skipped: new Set<string>() };
  for (const name of cases) {
    const { code, stdout, stderr } = await command(
      ["timeout", `${CASE_TIMEOUT_MS / 1000}`, `${kit.validation}/${name}`],
      { cwd: work, env, timeoutMs: CASE_TIMEOUT_MS + 10_000 },
    );
    await Deno.writeTextFile(`${work}/${name}-${program}.log`, stdout + stderr);
    by[judgeTap(stdout, code)].add(name);
  }
  return by;
}

/** The cases that runc passes also where the machine lacks capabilities and cgroup controllers. */
export async function ociCases(): Promise<string[]> {
  const text = await Deno.readTextFile(`${ROOT}/tests/conformance/oci_cases.txt`);
  return text.trim().split("\n");
}
