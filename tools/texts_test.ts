import { assertEquals } from "@std/assert";
import { textViolations } from "./texts.ts";

Deno.test("textViolations finds hosts, machine paths and unfinished work, with their lines", () => {
  const text = [
    "fine",
    `see registry.npmjs.${"org"}/x`,
    `path = "/wor${"k"}/main"`,
    `// TO${"DO"}: later`,
  ].join("\n");
  const lines = textViolations("a.md", text).map((line) => line.split(":")[1]);
  assertEquals(lines, ["2", "3", "4"]);
});

Deno.test("textViolations leaves image names, guest paths and plain words alone", () => {
  assertEquals(
    textViolations(
      "a.md",
      "docker.io/library/busybox:latest\n/run/kata-containers/x\nnpm:smol-toml\nat work/home",
    ),
    [],
  );
});
