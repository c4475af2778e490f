import { assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "@std/toml";
import fc from "fast-check";
import { versionOf, withHandler, withoutHandler } from "./containerd_config.ts";

const CONFIG = "/etc/kata-containers/configuration.toml";

function handled(text: string | undefined): string {
  const result = withHandler(text, CONFIG);
  if ("problem" in result) throw new Error(result.problem);
  return result.text;
}

Deno.test("withHandler adds the handler where each version of the file has it", () => {
  const plugins = (text: string): unknown => (parse(handled(text)) as { plugins: unknown }).plugins;
  const runtime = {
    containerd: {
      runtimes: {
        kata: {
          runtime_type: "io.containerd.kata.v2",
          privileged_without_host_devices: true,
          pod_annotations: ["io.katacontainers.*"],
          container_annotations: ["io.katacontainers.*"],
          options: { ConfigPath: CONFIG },
        },
      },
    },
  };
  assertEquals(plugins("version = 2\n"), { "io.containerd.grpc.v1.cri": runtime });
  assertEquals(plugins("version = 3"), { "io.containerd.cri.v1.runtime": runtime });
});

Deno.test("withHandler starts a file where there is none", () => {
  assertEquals((parse(handled(undefined)) as { version: number }).version, 2);
});

Deno.test("withHandler refuses what it would break, and says why", () => {
  const problem = (text: string): string => {
    const result = withHandler(text, CONFIG);
    return "problem" in result ? result.problem : "";
  };
  assertStringIncludes(problem("oom_score = 0\n"), "version 1");
  const own = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]\n';
  assertStringIncludes(problem(own), "named kata already");
});

Deno.test("withHandler repeated changes nothing more, and withoutHandler gives the text back", () => {
  const line = fc.constantFrom("", "# note", "[grpc]", 'address = "/x"', "[debug]", "  level = 1");
  fc.assert(fc.property(fc.array(line), fc.boolean(), (lines, ended) => {
    const text = ["version = 2", ...lines].join("\n") + (ended ? "\n" : "");
    const once = handled(text);
    assertEquals(handled(once), once);
    assertEquals(withoutHandler(once), text.endsWith("\n") ? text : `${text}\n`);
  }));
});

Deno.test("versionOf looks above the first table only", () => {
  assertEquals(versionOf("# x\n version = 3 # y\n[a]\nversion = 2\n"), 3);
  assertEquals(versionOf("[a]\nversion = 2\n"), 1);
  assertEquals(versionOf(""), 1);
});
