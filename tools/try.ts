/** Shows what the product does: containers, started by a real containerd, each in a VM of its own. */
import { Containerd, RUNC, SHIM_PATH } from "../tests/support/containerd.ts";
import type { CommandResult } from "./lib/command.ts";
import { note, print, progress } from "./lib/terminal.ts";

/** One container to run, and how a person reads its result. */
interface Trial {
  readonly title: string;
  readonly runtime: string;
  readonly script: string;
  /** The exit status that the script asks for. */
  readonly status?: number;
}

const KERNEL = "uname -r";

const TRIALS: readonly Trial[] = [
  { title: "A container by runc, on the host's kernel", runtime: RUNC, script: KERNEL },
  { title: "A container by Kata on Deno, in a VM of its own", runtime: SHIM_PATH, script: KERNEL },
  {
    title: "What a container sees of its VM",
    runtime: SHIM_PATH,
    script: "echo hello from $(hostname); grep -c processor /proc/cpuinfo; head -1 /proc/meminfo",
  },
  {
    title: "Output and exit status come back",
    runtime: SHIM_PATH,
    script: "echo to stdout; echo to stderr >&2; exit 7",
    status: 7,
  },
];

function indent(text: string): string {
  return text.trimEnd().split("\n").map((line) => `   ${line}`).join("\n");
}

async function runTrial(containerd: Containerd, trial: Trial, index: number): Promise<string> {
  progress(trial.title);
  note(`ctr run --rm --runtime ${trial.runtime} busybox try${index} sh -c '${trial.script}'`);
  const started = performance.now();
  const result = await containerd.run(`try${index}`, ["sh", "-c", trial.script], {
    runtime: trial.runtime,
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  print(indent(result.stdout + result.stderr));
  note(`exit status ${result.code}, ${seconds} s`);
  if (result.code !== (trial.status ?? 0)) throw await failure(containerd, trial, result);
  return result.stdout.trim();
}

async function failure(
  containerd: Containerd,
  trial: Trial,
  result: CommandResult,
): Promise<Error> {
  note("the end of containerd's log:");
  note((await containerd.log()).slice(-2000));
  return new Error(
    `${trial.title}: ended with ${result.code}, not ${trial.status ?? 0}`,
  );
}

async function main(): Promise<void> {
  progress("starting a private containerd");
  await using containerd = await Containerd.start();
  const outputs: string[] = [];
  for (const [index, trial] of TRIALS.entries()) {
    outputs.push(await runTrial(containerd, trial, index));
  }
  const [host, guest] = outputs;
  if (host === guest) throw new Error(`Both containers saw the kernel ${host}: there was no VM`);
  print(`The host runs Linux ${host}; the container ran in a VM with Linux ${guest}.`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    progress(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
