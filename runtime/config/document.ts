import { type Key, type Section, type Supported, type Value, VMM_NAMES } from "./schema/key.ts";
import { PENDING, whyRefused } from "./pending.ts";
import { SCHEMA } from "./schema/schema.ts";
import { tomlValue } from "./toml_text.ts";

/** Widest line of the file. */
const WIDTH = 100;

const INTRODUCTION = `\
# Configuration of Kata on Deno: every key, with its default, its unit and its effect. A line that begins with "#"
# and has no space after it is a key at its default: remove the "#" to change it.
#
# One file is read: the one that the runtime handler's ConfigPath names, else the one that the environment variable
# KATA_CONF_FILE names, else the first there is of /etc/kata-containers/configuration.toml,
# /usr/share/defaults/kata-containers/configuration.toml, and config.toml beside the program. Files config.d/*.toml
# beside it follow in the order of their names, later ones winning key by key.
#
# Unknown sections and keys, values of the wrong type or out of range, and files that cannot be read are errors that
# name file, line and key. Keys marked (ours) do not exist in the original, whose configuration files load here too:
# a key of the original that is not supported may keep its default and is refused with the reason otherwise.
#
# "kata-runtime env" prints the configuration in force.
`;

const HYPERVISOR = `
# The VMM. The table's name selects it: hypervisor.qemu, hypervisor.clh (Cloud Hypervisor), hypervisor.firecracker or
# hypervisor.remote take the same keys; a key that not all of them know says so. A file with several of these tables
# chooses by hypervisor_name in [runtime].`;

/** The sections in the order of the file, with the text above each. */
const SECTIONS = [
  ["hypervisor", "hypervisor.qemu", HYPERVISOR],
  ["hypervisor.factory", "hypervisor.qemu.factory", ""],
  ["factory", "factory", "\n# Virtual machines made ready beforehand."],
  ["agent", "agent.kata", "\n# The program inside the VM."],
  ["agent.mem_agent", "agent.kata.mem_agent", ""],
  ["runtime", "runtime", "\n# The program on the host."],
] as const;

/** The text of `config.toml`: the schema, written out. */
export function documentedToml(): string {
  const sections = SECTIONS.map(([section, header, above]) =>
    sectionText(SCHEMA[section], header, above)
  );
  return `${INTRODUCTION}${sections.join("")}`;
}

function sectionText(section: Section, header: string, above: string): string {
  const supported = Object.entries(section).filter(([, key]) => key.status !== "refused");
  const refused = Object.entries(section).filter(([, key]) => key.status === "refused");
  const id = header.replace(/^(\w+)\.\w+/, "$1");
  const entries = supported.map(([name, key]) => entryText(id, name, key));
  return `${above}\n[${header}]\n${entries.join("")}${refusedText(refused)}`;
}

function entryText(section: string, name: string, key: Key): string {
  if (key.status === "refused") return "";
  const target = key.status === "alias" ? aliased(key.of) : key;
  const comment = wrap(
    [marks(key), key.doc, limits(target), pendingText(section, name)].filter(Boolean).join(" "),
  );
  return `\n${comment}#${name} = ${tomlValue(target.default)}\n`;
}

function aliased([section, key]: readonly [keyof typeof SCHEMA, string]): Supported<Value> {
  const spec = SCHEMA[section][key];
  if (spec?.status !== "supported") throw new Error(`[${section}] ${key} is no key to stand for`);
  return spec;
}

function marks(key: Key): string {
  return [key.ours ? "(ours)" : "", key.only ? `(${key.only.join(", ")})` : ""].filter(Boolean)
    .join(" ");
}

/** Unit, choices, range and the defaults that differ. */
function limits(key: Supported<Value>): string {
  const sentences: string[] = [];
  if (key.unit) sentences.push(`Unit: ${key.unit}.`);
  if (key.choices) sentences.push(`One of ${key.choices.map(tomlValue).join(", ")}.`);
  const { min = -Infinity, max = Infinity } = key;
  if (key.type === "int" || key.type === "float") sentences.push(`From ${min} to ${max}.`);
  for (const vmm of VMM_NAMES) {
    const own = key.vmmDefaults?.[vmm];
    if (own !== undefined) sentences.push(`Default for ${vmm}: ${tomlValue(own)}.`);
  }
  return sentences.join(" ");
}

function pendingText(section: string, name: string): string {
  const id = `${section}.${name}`;
  if (PENDING.has(id)) return "No effect in this release; setting it is answered by a warning.";
  return VMM_NAMES.map((vmm) => [vmm, whyRefused(id, vmm)] as const)
    .flatMap(([vmm, reason]) => reason ? [`Refused with ${vmm}: ${reason}.`] : []).join(" ");
}

function refusedText(keys: readonly (readonly [string, Key])[]): string {
  if (keys.length === 0) return "";
  const lines = keys.map(([name, key]) => {
    const [accepted = ""] = key.status === "refused" ? key.accepts : [];
    return `${wrap(`Refused with another value: ${key.doc}.`)}#${name} = ${tomlValue(accepted)}\n`;
  });
  return `\n# Keys of the original that have no meaning here.\n${lines.join("")}`;
}

function wrap(text: string): string {
  const lines: string[] = [];
  let line = "#";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...lines, line].map((each) => `${each}\n`).join("");
}

if (import.meta.main) {
  Deno.writeTextFileSync(new URL("../../config.toml", import.meta.url), documentedToml());
}
