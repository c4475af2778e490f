import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { completion } from "./completion.ts";
import { helpText } from "./help.ts";
import { OciError } from "./oci/oci_error.ts";
import { VERBS } from "./verbs.ts";

/** Instead of the program: two containers, one sandbox. */
const STUB = `kata-runtime() {
  case $1 in list) echo one; echo two ;; sandboxes) echo "SANDBOX  STATE"; echo "pod1  served" ;; esac
}`;

/** What bash offers for a command line whose last word is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const line = words.map((word) => `'${word}'`).join(" ");
  const script = `${STUB}\n${completion(["bash"])}
COMP_WORDS=(kata-runtime ${line}) COMP_CWORD=${words.length}
_kata_runtime
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await new Deno.Command("bash", { args: ["-c", script] }).output();
  return new TextDecoder().decode(stdout).split("\n").filter(Boolean);
}

Deno.test("completion bash offers commands, their flags, containers and sandboxes", async () => {
  assertEquals(await offered("unin"), ["uninstall"]);
  assertEquals(await offered("check", "--"), ["--json", "--strict"]);
  assertEquals(await offered("--root", "state", "time"), ["timeline"]);
  assertEquals(await offered("state", "t"), ["two"]);
  assertEquals(await offered("metrics", "p"), ["pod1"]);
  assertEquals(await offered("exec", "p"), ["pod1"]);
  assertEquals(await offered("config", "--j"), ["--json"]);
});

Deno.test("completion covers every command, in each shell", () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const text = completion([shell]);
    for (const [name, { kind }] of Object.entries(VERBS)) {
      if (kind !== "internal") assertStringIncludes(text, name, shell);
    }
    assert(!text.includes("pod-daemon"), shell);
  }
  assertThrows(() => completion(["csh"]), OciError, "usage");
});

Deno.test("help says of every command how it is called and what it ends with", () => {
  for (const [name, { kind, usage }] of Object.entries(VERBS)) {
    if (kind === "internal") continue;
    const text = helpText(name);
    assertStringIncludes(text, `Usage: kata-runtime ${usage}\n`);
    assertStringIncludes(text, "Exit status: 0");
    assertStringIncludes(helpText(), `  ${name} `);
  }
  assertThrows(() => helpText("nosuch"), OciError, "No help topic for 'nosuch'");
});
