/** What a private containerd that serves CRI is configured with. */
import { DIST } from "../../../tools/lib/paths.ts";
import { PAUSE } from "./images.ts";

/** The handler's name in CRI. */
export const HANDLER = "kata";
/** The bridge of the pods' network. */
export const BRIDGE = "katacri0";
/** Where Debian puts the plugins. */
const CNI_PROGRAMS = "/usr/lib/cni";

/** containerd's configuration formats: 2 is 1.6's, 3 is 2.x's. */
export type ConfigVersion = 2 | 3;

const RUNTIME = { 2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime" } as const;

function pauseLines(version: ConfigVersion): string {
  return version === 2
    ? `[plugins."${RUNTIME[2]}"]\nsandbox_image = "${PAUSE}"`
    : `[plugins."io.containerd.cri.v1.images".pinned_images]\nsandbox = "${PAUSE}"`;
}

/** With our handler as the default. */
export function containerdConfig(directory: string, version: ConfigVersion): string {
  const plugin = `plugins."${RUNTIME[version]}"`;
  return `${bareConfig(directory, version)}
[${plugin}.containerd]
default_runtime_name = "${HANDLER}"
[${plugin}.containerd.runtimes.${HANDLER}]
runtime_type = "io.containerd.kata.v2"
${version === 2 ? "" : `runtime_path = "${DIST}/containerd-shim-kata-v2"`}
pod_annotations = ["io.katacontainers.*"]
`;
}

/**
 * With runc's handler alone. Root that may not lower oom_score_adj is common in build machines: hence
 * `restrict_oom_score_adj`.
 */
export function bareConfig(directory: string, version: ConfigVersion): string {
  const plugin = `plugins."${RUNTIME[version]}"`;
  const cniPrograms = version === 2
    ? `bin_dir = "${CNI_PROGRAMS}"`
    : `bin_dirs = ["${CNI_PROGRAMS}"]`;
  return `version = ${version}
root = "${directory}/root"
state = "${directory}/state"
[grpc]
address = "${directory}/c.sock"
[debug]
level = "info"
${pauseLines(version)}
${version === 2 ? "" : `[${plugin}]`}
restrict_oom_score_adj = true
${version === 2 ? 'disable_tcp_service = true\nstream_server_port = "0"' : ""}
[${plugin}.cni]
${cniPrograms}
conf_dir = "${directory}/cni"
[${plugin}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
path = "${directory}/opt"
`;
}

/** The pods' network, as CNI's list of plugins. */
export function cniConfig(directory: string): string {
  const ipam = {
    type: "host-local",
    dataDir: `${directory}/cni-data`,
    ranges: [[{ subnet: "10.88.0.0/16" }]],
    routes: [{ dst: "0.0.0.0/0" }],
  };
  const bridge = {
    type: "bridge",
    bridge: BRIDGE,
    isGateway: true,
    ipMasq: true,
    hairpinMode: true,
  };
  const portmap = { type: "portmap", capabilities: { portMappings: true } };
  const plugins = [{ ...bridge, ipam }, portmap];
  return JSON.stringify({ cniVersion: "0.4.0", name: "kata-cri-test", plugins });
}
