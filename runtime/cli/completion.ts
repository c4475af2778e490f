import { OciError } from "./oci/oci_error.ts";
import { VERBS } from "./verbs.ts";

/** Verbs whose argument is a container of the command line. */
const CONTAINER_VERBS = "start state exec kill delete pause resume ps update events";
/** Verbs whose argument is a sandbox, of whichever engine. */
const SANDBOX_VERBS = "exec metrics agent-ctl timeline";
/** Prints the ids of all sandboxes, one a line: the first column, without its head. */
const SANDBOXES = "kata-runtime sandboxes 2>/dev/null | tail -n +2 | cut -d ' ' -f 1";
const GLOBAL_FLAGS = "--root --config --log --log-format --debug --systemd-cgroup --help --version";

function flagsOf(name: string): string {
  return [...new Set(VERBS[name]?.usage.match(/--[a-z-]+/g) ?? [])].join(" ");
}

function names(): string[] {
  return Object.entries(VERBS).filter(([, { kind }]) => kind !== "internal").map(([name]) => name);
}

function bash(): string {
  const cases = names().map((name) => `    ${name}) words="${flagsOf(name)}" ;;`).join("\n");
  return `# bash completion of kata-runtime: source <(kata-runtime completion bash)
_kata_runtime() {
  local current=\${COMP_WORDS[COMP_CWORD]} verb= word words before=
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $before:$word in
      --root:* | --config:* | --log:* | --log-format:*) ;; # a flag's value
      *:-*) ;;
      *) verb=$word; break ;;
    esac
    before=$word
  done
  case $verb in
    "") words="${names().join(" ")} ${GLOBAL_FLAGS}" ;;
${cases}
    *) words= ;;
  esac
  case " ${CONTAINER_VERBS} " in
    *" $verb "*) [ -z "$verb" ] || words="$words $(kata-runtime list --quiet 2>/dev/null)" ;;
  esac
  case " ${SANDBOX_VERBS} " in
    *" $verb "*) [ -z "$verb" ] || words="$words $(${SANDBOXES})" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _kata_runtime kata-runtime
`;
}

function zsh(): string {
  return `#compdef kata-runtime
autoload -U +X bashcompinit && bashcompinit
${bash()}`;
}

function fishFlags(name: string): string[] {
  return flagsOf(name).split(" ").filter(Boolean).map((flag) =>
    `complete -c kata-runtime -n "__fish_seen_subcommand_from ${name}" -l ${flag.slice(2)}`
  );
}

function fish(): string {
  const lines = names().map((name) => {
    const summary = JSON.stringify(VERBS[name]?.summary ?? "");
    return `complete -c kata-runtime -n __fish_use_subcommand -f -a ${name} -d ${summary}`;
  });
  const ids = `complete -c kata-runtime -n "__fish_seen_subcommand_from ${CONTAINER_VERBS}" ` +
    `-f -a "(kata-runtime list --quiet)"`;
  const sandboxes = `complete -c kata-runtime -n "__fish_seen_subcommand_from ${SANDBOX_VERBS}" ` +
    `-f -a "(${SANDBOXES})"`;
  return [...lines, ...names().flatMap(fishFlags), ids, sandboxes, ""].join("\n");
}

/** `completion bash|zsh|fish`: a script for the shell. */
export function completion([shell = ""]: readonly string[]): string {
  switch (shell) {
    case "bash":
      return bash();
    case "zsh":
      return zsh();
    case "fish":
      return fish();
    default:
      throw new OciError("usage: kata-runtime completion bash|zsh|fish", 2);
  }
}
