/** conmon as CRI-O with `runtime_type = "oci"` runs it: it calls the command line, and keeps logs and statuses. */
import { output } from "../../tools/lib/command.ts";
import type { OciCli } from "./oci_cli.ts";

/** Longest wait for a file that conmon writes. */
const WAIT_MS = 60_000;
const POLL_MS = 20;

/** What conmon is asked for beyond a plain container. */
export interface ConmonOptions {
  readonly terminal?: boolean;
  /** A process to run in the container, as the runtime specification has it. */
  readonly exec?: Readonly<Record<string, unknown>>;
}

/** Where one conmon writes. */
export interface Conmon {
  readonly pidFile: string;
  readonly log: string;
  /** What it tells its caller: lines of JSON. */
  readonly sync: string;
  /** Takes commands, as `1 24 80` for a terminal's size or `2 0 0` to begin a new log. */
  readonly control: string;
}

/** Waits until a file holds something that a function can use. */
export async function awaitFile<T>(
  path: string,
  read: (text: string) => T | undefined,
): Promise<T> {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const text = await Deno.readTextFile(path).catch(() => ""); // it is not there yet
    const found = read(text);
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`"${path}" holds ${JSON.stringify(text)}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Has conmon create a container, or run a process in one. @returns Once it has told what the runtime answered. */
export async function conmon(
  cli: OciCli,
  place: { readonly id: string; readonly bundle: string; readonly exits: string },
  { terminal = false, exec }: ConmonOptions = {},
): Promise<Conmon> {
  const { id, bundle, exits } = place;
  const own = await Deno.makeTempDir({ dir: bundle, prefix: "conmon-" });
  const files = { pidFile: `${own}/pid`, log: `${own}/log`, sync: `${own}/sync` };
  if (exec) await Deno.writeTextFile(`${own}/process.json`, JSON.stringify(exec));
  const [runtime, ...runtimeArgs] = cli.argv();
  const argv = [
    ...["conmon", "--api-version", "1", "--cid", id, "--name", id, "--cuuid", crypto.randomUUID()],
    ...["--runtime", runtime, ...runtimeArgs.map((arg) => `--runtime-arg=${arg}`)],
    ...["--bundle", bundle, "--persist-dir", own, "--log-path", files.log],
    ...["--container-pidfile", files.pidFile, "--conmon-pidfile", `${own}/conmon.pid`],
    ...["--socket-dir-path", exits, "--full-attach", "--no-sync-log"],
    ...(terminal ? ["--terminal"] : []),
    ...(exec ? ["--exec", "--exec-process-spec", `${own}/process.json`] : ["--exit-dir", exits]),
  ];
  const script =
    'sync=$1; shift; exec 3>"$sync"; _OCI_SYNCPIPE=3 exec "$@" </dev/null >/dev/null 2>&1';
  await output(["bash", "-c", script, "bash", files.sync, ...argv]);
  return { ...files, control: `${bundle}/ctl` };
}

/** What conmon tells: a pid, and of an exec its status after that; or a negative number and why. */
export interface Told {
  readonly data: number;
  readonly message?: string;
}

/** Waits until conmon has told so much. */
export async function told(sync: string, lines = 1): Promise<Told[]> {
  return await awaitFile(sync, (text) => {
    const found = text.trim().split("\n").filter(Boolean);
    return found.length >= lines ? found.map((line) => JSON.parse(line)) : undefined;
  });
}
