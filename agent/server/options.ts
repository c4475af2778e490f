/** What the host tells the agent on the kernel's command line. */
import type { LogLevel } from "../../common/base/log.ts";

export type AgentTransport = "vsock" | "serial";

export interface AgentOptions {
  readonly logLevel: LogLevel;
  /** How the host connects; absent: by what the guest has. */
  readonly transport: AgentTransport | undefined;
  /** Bound on waiting for a device that the host plugs, in milliseconds. */
  readonly hotplugTimeoutMs: number | undefined;
  /** Whether to offer a root shell. The original writes the option without a value. */
  readonly debugConsole: boolean;
  /** Size of the pipes of processes, in bytes; 0: the agent's own choice. */
  readonly pipeBytes: number;
}

/** The largest pipe that the guest's kernel is asked for. */
const MAX_PIPE_BYTES = 2 ** 30;

/** Kata's names for the levels of its loggers, mapped to ours. */
const LEVELS: Record<string, LogLevel> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warn",
  warning: "warn",
  error: "error",
  critical: "error",
};

/** Options of the form `agent.name=value`; the last of a name counts, unknown ones and bad values do not. */
export function parseAgentOptions(commandLine: string): AgentOptions {
  const values = new Map<string, string>();
  for (const word of commandLine.trim().split(/\s+/)) {
    const match = /^agent\.([a-z_]+)(?:=(.*))?$/.exec(word);
    if (match?.[1] !== undefined) values.set(match[1], match[2] ?? "true");
  }
  const transport = values.get("transport");
  const level = values.get("log") ?? "";
  return {
    logLevel: Object.hasOwn(LEVELS, level) ? LEVELS[level] ?? "info" : "info",
    transport: transport === "vsock" || transport === "serial" ? transport : undefined,
    hotplugTimeoutMs: seconds(values.get("hotplug_timeout")),
    debugConsole: values.get("debug_console") === "true",
    pipeBytes: bytes(values.get("container_pipe_size")),
  };
}

function bytes(text: string | undefined): number {
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) <= MAX_PIPE_BYTES
    ? Number(text)
    : 0;
}

function seconds(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,4}$/.test(text) ? Number(text) * 1000 : undefined;
}
