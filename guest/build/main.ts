/**
 * Builds the guest's kernel and initrd:
 *   deno run -A guest/build/main.ts --agent FILE --out FOLDER [--cache FOLDER] [--kernel auto|stock|tuned] [--force]
 */
import { parseArgs } from "node:util";
import { messageOf } from "../../common/base/errors.ts";
import { cacheDir } from "../../tools/lib/paths.ts";
import { buildGuest } from "./build_guest.ts";
import type { KernelChoice } from "./kernel_choice.ts";

const USAGE =
  "usage: main.ts --agent FILE --out FOLDER [--cache FOLDER] [--kernel auto|stock|tuned] [--force]";
const CHOICES: readonly string[] = ["auto", "stock", "tuned"];

function isKernelChoice(text: string): text is KernelChoice {
  return CHOICES.includes(text);
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      agent: { type: "string" },
      out: { type: "string" },
      cache: { type: "string", default: `${cacheDir()}/guest` },
      kernel: { type: "string", default: "auto" },
      force: { type: "boolean", default: false },
    },
  });
  const { agent, out, cache, kernel, force } = values;
  if (agent === undefined || out === undefined || !isKernelChoice(kernel)) throw new Error(USAGE);
  const guest = await buildGuest({ agent, out, cache, kernel, force, progress: say });
  say(guest.built ? `built ${guest.kernel} and ${guest.initrd}` : `${guest.initrd} is up to date`);
}

function say(message: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`guest: ${message}\n`));
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    say(messageOf(error));
    Deno.exit(1);
  }
}
