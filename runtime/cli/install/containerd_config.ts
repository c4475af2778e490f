/** What of containerd's configuration is ours stands between these lines, so that it can be found again. */
const BEGIN =
  "# BEGIN kata-runtime: written by kata-runtime install, taken out by kata-runtime uninstall";
const END = "# END kata-runtime";

/** The plugin that has the CRI's runtimes, by the version of the file. Source: containerd's docs/cri/config.md. */
function criPlugin(version: number): string {
  return version >= 3 ? "io.containerd.cri.v1.runtime" : "io.containerd.grpc.v1.cri";
}

/** The file's version; containerd takes one without for version 1, which knows no other way to name plugins. */
export function versionOf(text: string): number {
  const match = /^\s*version\s*=\s*(\d{1,3})\s*(#.*)?$/m.exec(text.split(/^\s*\[/m, 1)[0] ?? "");
  return match ? Number(match[1]) : 1;
}

/** The handler, as containerd's file has it. */
function block(version: number, configPath: string): string {
  const table = `plugins."${criPlugin(version)}".containerd.runtimes.kata`;
  return `${BEGIN}
[${table}]
  runtime_type = "io.containerd.kata.v2"
  privileged_without_host_devices = true
  pod_annotations = ["io.katacontainers.*"]
  container_annotations = ["io.katacontainers.*"]
  [${table}.options]
    ConfigPath = ${JSON.stringify(configPath)}
${END}
`;
}

/** Without our part, as it was before. */
export function withoutHandler(text: string): string {
  const from = text.indexOf(BEGIN);
  if (from < 0) return text;
  const end = text.indexOf(`${END}\n`, from);
  return end < 0 ? text : text.slice(0, from) + text.slice(end + END.length + 1);
}

/**
 * With the handler `kata` for the CRI, at the end of the file.
 * @param text The file as it is; absent where there is none.
 * @returns The new text, or why it cannot be had.
 */
export function withHandler(
  text: string | undefined,
  configPath: string,
): { readonly text: string } | { readonly problem: string } {
  if (text === undefined) return { text: `version = 2\n\n${block(2, configPath)}` };
  const bare = withoutHandler(text), version = versionOf(bare);
  if (version < 2) {
    return { problem: "it is of version 1, which names no runtimes: set version = 2" };
  }
  if (/^\s*\[.*\bruntimes\.("kata"|kata)(\.|\])/m.test(bare)) {
    return { problem: "it has a runtime named kata already" };
  }
  const separator = bare === "" || bare.endsWith("\n") ? "" : "\n";
  return { text: `${bare}${separator}${block(version, configPath)}` };
}
