/**
 * Checks texts that no linter reads: what must not stand in any committed file.
 *
 *     tools/deno run -A tools/texts.ts
 */
import { output } from "./lib/command.ts";
import { ROOT } from "./lib/paths.ts";
import { note, progress } from "./lib/terminal.ts";

/** A pattern that no file may hold, and why. */
export interface TextRule {
  readonly pattern: RegExp;
  readonly reason: string;
}

/** Host names in two halves, so that this file does not hold what it forbids. */
const REGISTRIES = [
  ["registry.npmjs", "org"],
  ["npmjs", "com"],
  ["pypi", "org"],
  ["pythonhosted", "org"],
  ["crates", "io"],
  ["proxy.golang", "org"],
  ["deb.debian", "org"],
  ["repo.maven.apache", "org"],
  ["jsr", "io"],
  ["deno", "land"],
].map((parts) => parts.join("\\."));

/** Top folders of developers' machines, likewise. */
const MACHINE_PATHS = ["work", "tmp/bg", "home", "Users"].map((path) => `/${path}/[a-z]`);

/** What no committed file may hold. */
export const RULES: readonly TextRule[] = [
  {
    pattern: new RegExp(`\\b(${REGISTRIES.join("|")})\\b`),
    reason: "a package registry's host: use its client",
  },
  {
    pattern: new RegExp(`(^|["'\\s=(:])(${MACHINE_PATHS.join("|")})`),
    reason: "a path of one machine",
  },
  {
    pattern: new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b`),
    reason: "unfinished work",
  },
  {
    pattern: /\b(issue|ticket)s? #?\d/i,
    reason: "a number that says nothing here: write what it is",
  },
];

/**
 * Finds forbidden texts.
 * @returns One line for each, as `path:line: reason: text`.
 */
export function textViolations(path: string, text: string): string[] {
  return text.split("\n").flatMap((line, index) =>
    RULES.filter((rule) => rule.pattern.test(line))
      .map((rule) => `${path}:${index + 1}: ${rule.reason}: ${line.trim().slice(0, 120)}`)
  );
}

/** Files of the project: those git knows and new ones that it does not ignore. */
async function projectFiles(): Promise<string[]> {
  const list = await output([
    "git",
    "-C",
    ROOT,
    "ls-files",
    "-z",
    "-c",
    "-o",
    "--exclude-standard",
  ]);
  return list.split("\0").filter((path) => path !== "");
}

async function violationsIn(path: string): Promise<string[]> {
  const bytes = await Deno.readFile(`${ROOT}/${path}`).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array(); // deleted, not yet committed
    throw error;
  });
  return bytes.includes(0) ? [] : textViolations(path, new TextDecoder().decode(bytes));
}

if (import.meta.main) {
  const files = await projectFiles();
  const found = (await Promise.all(files.map(violationsIn))).flat();
  for (const line of found) note(line);
  progress(
    found.length === 0 ? `Checked ${files.length} texts` : `Found ${found.length} problems`,
  );
  Deno.exit(found.length === 0 ? 0 : 1);
}
