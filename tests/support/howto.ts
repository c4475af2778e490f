/** The commands of a page in docs/howto, so that tests run what people read. */
import { ROOT } from "../../tools/lib/paths.ts";

/** The page's text. */
export async function howto(page: string): Promise<string> {
  return await Deno.readTextFile(`${ROOT}/docs/howto/${page}.md`);
}

/** Its indented lines that begin with a program, lines that end in a backslash joined to the next. */
export async function commandsOf(page: string, program: string): Promise<string[]> {
  const text = (await howto(page)).replaceAll(/\\\n\s*/g, "");
  return text.split("\n").filter((line) => line.startsWith(`    ${program} `))
    .map((line) => line.trim());
}

/** A script in which the program is called with flags of the test's own. */
export function scriptOf(command: string, program: string, argv: readonly string[]): string {
  const words = argv.map((word) => `'${word}'`).join(" ");
  return `${program}() { command ${words} "$@"; }\n${command}`;
}
