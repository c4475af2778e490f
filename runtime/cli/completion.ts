import { OciError } from "./oci/oci_error.ts";
import { VERBS } from "./verbs.ts";

/** Verbs whose argument is a container of the command line. */
const CONTAINER_VERBS = "start state exec kill delete pause resume ps update events";
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
  local current=\${COMP_WORDS[COMP_CWORD]} verb= word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) verb=$word; break ;; esac
  done
  case $verb in
    "") words="${names().join(" ")} ${GLOBAL_FLAGS}" ;;
${cases}
    *) words= ;;
  esac
  case " ${CONTAINER_VERBS} " in
    *" $verb "*) [ -z "$verb" ] || words="$words $(kata-runtime list --quiet 2>/dev/null)" ;;
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

function fish(): string {
  const lines = names().map((name) => {
    const summary = JSON.stringify(VERBS[name]?.summary ?? "");
    return `complete -c kata-runtime -n __fish_use_subcommand -f -a ${name} -d ${summary}`;
  });
  const ids = `complete -c kata-runtime -n "__fish_seen_subcommand_from ${CONTAINER_VERBS}" ` +
    `-f -a "(kata-runtime list --quiet)"`;
  return [...lines, ids, ""].join("\n");
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
