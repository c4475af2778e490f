import type { Globals } from "./oci/globals.ts";

/** What a verb is called with. */
export interface Call {
  readonly globals: Globals;
  readonly args: readonly string[];
  /** When this process began, on the monotonic clock. */
  readonly bornMs: number;
  /** Writes to stdout. @returns 0, or another exit status when nobody reads it. */
  readonly print: (text: string) => Promise<number>;
}

/** A verb of the command line. */
export interface Verb {
  readonly usage: string;
  readonly summary: string;
  /** What it ends with beyond 0 after success and 1 after a failure. */
  readonly statuses?: string;
  /** Whose it is: OCI engines call the first kind, people the second, nobody but the program itself the third. */
  readonly kind: "oci" | "operator" | "internal";
  /** Loads the verb's code and runs it. @returns What to print, or the exit status. */
  readonly run: (call: Call) => Promise<string | number>;
}

function oci(usage: string, summary: string, run: Verb["run"], statuses?: string): Verb {
  return { usage, summary, kind: "oci", run, ...(statuses && { statuses }) };
}

function operator(usage: string, summary: string, run: Verb["run"], statuses?: string): Verb {
  return { usage, summary, kind: "operator", run, ...(statuses && { statuses }) };
}

const PROCESS_STATUS =
  "that of the process, 128 and the number of the signal that ended it; 255 when nobody knows";
const USAGE_STATUS = "2 for words that make no sense";

const OCI: Readonly<Record<string, Verb>> = {
  create: oci(
    "create [--bundle DIR] [--pid-file FILE] [--console-socket SOCKET] ID",
    "Create a container that waits to be started",
    async ({ globals, args }) => (await import("./oci/create.ts")).create(globals, args),
  ),
  start: oci(
    "start ID",
    "Start a created container",
    async ({ globals, args }) => (await import("./oci/simple_verbs.ts")).start(globals, args),
  ),
  run: oci(
    "run [--detach] [--keep] [--bundle DIR] [--pid-file FILE] ID",
    "Create and start a container, wait for its end and delete it",
    async ({ globals, args }) => (await import("./oci/run.ts")).run(globals, args),
    PROCESS_STATUS,
  ),
  state: oci(
    "state ID",
    "Show a container's state",
    async ({ globals, args }) => (await import("./oci/state.ts")).state(globals, args),
  ),
  list: oci(
    "list [--format table|json] [--quiet]",
    "List containers",
    async ({ globals, args }) => (await import("./oci/list.ts")).list(globals, args),
  ),
  exec: oci(
    "exec SANDBOX | exec [--detach] [--tty] [--process FILE] [--cwd DIR] [--env NAME=VALUE] [--user UID[:GID]] ID [COMMAND...]",
    "Run another process in a container; without one, open a root shell in a sandbox's guest",
    async ({ globals, args }) =>
      args.length === 1 && !args[0]?.startsWith("-")
        ? await (await import("./console.ts")).debugConsole(args[0] ?? "")
        : await (await import("./oci/exec.ts")).exec(globals, args),
    `${PROCESS_STATUS}, or when it cannot be started`,
  ),
  kill: oci(
    "kill [--all] ID [SIGNAL]",
    "Send a signal to a container's init, SIGTERM by default",
    async ({ globals, args }) => (await import("./oci/simple_verbs.ts")).kill(globals, args),
  ),
  delete: oci(
    "delete [--force] ID",
    "Remove a container that has stopped, or with --force any",
    async ({ globals, args }) => (await import("./oci/delete.ts")).deleteVerb(globals, args),
  ),
  pause: oci(
    "pause ID",
    "Freeze a container's processes",
    async ({ globals, args }) => (await import("./oci/simple_verbs.ts")).pause(globals, args),
  ),
  resume: oci(
    "resume ID",
    "Thaw a container's processes",
    async ({ globals, args }) => (await import("./oci/simple_verbs.ts")).resume(globals, args),
  ),
  ps: oci(
    "ps [--format table|json] ID [OPTIONS OF PS...]",
    "Show the host's processes that stand for a container's",
    async ({ globals, args }) => (await import("./oci/simple_verbs.ts")).ps(globals, args),
  ),
  update: oci(
    "update [--resources FILE|-] [--memory SIZE] [--cpu-quota US] [...] ID",
    "Change a container's limits",
    async ({ globals, args }) => (await import("./oci/update.ts")).update(globals, args),
  ),
  events: oci(
    "events [--stats] [--interval 5s] ID",
    "Show what a container uses",
    async ({ globals, args, print }) =>
      (await import("./oci/events.ts")).events(globals, args, print),
  ),
  spec: oci(
    "spec [--bundle DIR]",
    "Write an example of config.json",
    async ({ globals, args }) => (await import("./oci/spec.ts")).spec(globals, args),
  ),
  features: oci(
    "features",
    "Show what this runtime can do, as JSON",
    async ({ args }) => (await import("./oci/features.ts")).features(args),
  ),
};

const OPERATOR: Readonly<Record<string, Verb>> = {
  sandboxes: operator(
    "sandboxes [--json]",
    "List the VMs of this host, whichever engine they belong to",
    async ({ args }) => (await import("./sandboxes.ts")).sandboxes(args),
  ),
  check: operator(
    "check [--json] [--strict]",
    "Say what this host can do, and what to do about the rest",
    async ({ globals, args, print }) =>
      (await import("./check/check.ts")).check(globals, args, print),
    "1 when no container can run here; with --strict, 2 when they run with less",
  ),
  env: operator(
    "env [--json]",
    "Show versions and the configuration in force",
    async ({ globals, args }) => (await import("./env.ts")).env(globals, args),
  ),
  config: operator(
    "config check [--json] [FILE]",
    "Say whether a configuration can be used",
    async ({ globals, args, print }) => (await import("./config.ts")).config(globals, args, print),
    `1 when it cannot; ${USAGE_STATUS}`,
  ),
  install: operator(
    "install [--prefix DIR] [--destdir DIR] [--dry-run] [--json]",
    "Put programs, guest and configuration in place, and tell engines",
    async ({ args }) => (await import("./install/install.ts")).install(args),
  ),
  uninstall: operator(
    "uninstall [--prefix DIR] [--destdir DIR] [--dry-run] [--json]",
    "Leave every file as it was before install",
    async ({ args }) => (await import("./install/install.ts")).uninstall(args),
  ),
  "direct-volume": operator(
    "direct-volume add PATH JSON | remove PATH | stats PATH | resize PATH BYTES",
    "Note volumes that the guest mounts instead of the host, show their use, or have them grow",
    async ({ args }) => (await import("./direct_volume.ts")).directVolume(args),
    USAGE_STATUS,
  ),
  completion: operator(
    "completion bash|zsh|fish",
    "Print a script that completes commands in a shell",
    async ({ args }) => (await import("./completion.ts")).completion(args),
    USAGE_STATUS,
  ),
  metrics: operator(
    "metrics SANDBOX",
    "Show figures of a sandbox's processes and guest, in Prometheus' text format",
    async ({ args }) => (await import("./metrics.ts")).metrics(args),
    USAGE_STATUS,
  ),
  "agent-ctl": operator(
    "agent-ctl [--protocol ttrpc|grpc] [--timeout MS] SANDBOX METHOD [JSON|-]",
    "Call any method of a sandbox's agent, with its request and answer as JSON; without METHOD, list them",
    async ({ args }) => (await import("./agent_ctl.ts")).agentCtl(args),
  ),
  factory: operator(
    "factory init|destroy|status [--config FILE] [--json]",
    "Build, remove or describe VM templates, from which VMs are cloned",
    async ({ globals, args }) => (await import("./factory.ts")).factory(args, globals.config),
  ),
  timeline: operator(
    "timeline SANDBOX [--json|--svg]",
    "Show where the time of a sandbox's start went",
    async ({ args }) => (await import("./timeline.ts")).timeline(args),
  ),
  help: operator(
    "help [COMMAND]",
    "Show this text",
    async ({ args }) => (await import("./help.ts")).helpText(args[0]),
    "3 for a command that does not exist",
  ),
  version: operator(
    "version [--json]",
    "Show the version",
    async ({ args }) => (await import("./version.ts")).versionText(args),
  ),
};

const INTERNAL: Readonly<Record<string, Verb>> = {
  "pod-daemon": {
    usage: "pod-daemon SANDBOX",
    summary: "Serve one pod; started by create",
    kind: "internal",
    run: async ({ globals: { root, config, debug }, args, bornMs }) => {
      const { servePod } = await import("../pod_daemon/serve.ts");
      await servePod({ root, config, debug, sandboxId: args[0] ?? "" }, bornMs);
      return 0;
    },
  },
};

/** Every verb by its name. */
export const VERBS: Readonly<Record<string, Verb>> = { ...OCI, ...OPERATOR, ...INTERNAL };
