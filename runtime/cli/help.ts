import { OciError } from "./oci/oci_error.ts";
import { type Verb, VERBS } from "./verbs.ts";

const GLOBALS = `Options before the command:
  --root DIR            where containers have their state (default /run/kata-runtime)
  --config FILE         the configuration, instead of the first that is found
  --log FILE            also write failures there
  --log-format FORMAT   text or json
  --debug               log debug messages
  --systemd-cgroup      accepted; the guest has cgroups of its own

Exit status: 0 after success, 1 after a failure, 3 for a command that does not exist, 141 when nobody reads the
answer; kata-runtime help COMMAND says what else a command ends with.
`;

function lines(kind: Verb["kind"]): string {
  const verbs = Object.entries(VERBS).filter(([, verb]) => verb.kind === kind);
  const width = Math.max(...verbs.map(([name]) => name.length));
  return verbs.map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}\n`).join("");
}

/** The help for one verb, or for all. @throws {OciError} There is no such verb. */
export function helpText(name?: string): string {
  if (name === undefined || name === "") {
    return `Usage: kata-runtime [OPTIONS] COMMAND [...]

Containers, as the OCI runtime specification has them:
${lines("oci")}
For operators:
${lines("operator")}
${GLOBALS}`;
  }
  const verb = VERBS[name];
  if (!verb) throw new OciError(`No help topic for '${name}'`, 3);
  const more = verb.statuses ? `; ${verb.statuses}` : "";
  return `Usage: kata-runtime ${verb.usage}

${verb.summary}.

Exit status: 0 after success, 1 after a failure${more}.
`;
}
