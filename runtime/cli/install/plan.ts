import { withHandler } from "./containerd_config.ts";

/** One thing that install does, and uninstall undoes. */
export type Action =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "copy"; readonly path: string; readonly from: string }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  /** A file that is not there yet. */
  | { readonly kind: "write"; readonly path: string; readonly text: string }
  /** A file of somebody else's; a copy of it as it was is kept. */
  | { readonly kind: "edit"; readonly path: string; readonly text: string };

/** Something that an administrator has to do by hand. */
export interface Plan {
  readonly actions: readonly Action[];
  readonly notes: readonly string[];
}

/** Where things go. */
export interface Places {
  /** Folder of the programs that are running. */
  readonly from: string;
  /** Where programs and guest go. */
  readonly prefix: string;
  /** Where links to programs go: on every engine's PATH. */
  readonly links: string;
  /** Before every path on the host, for packages and tests; usually empty. */
  readonly destdir: string;
}

/** What the plan needs to know of the host. */
export interface Files {
  text(path: string): string | undefined;
  exists(path: string): boolean;
}

const PROGRAMS = ["containerd-shim-kata-v2", "kata-relay", "kata-private-ram.so"];
const GUEST = ["vmlinux", "initrd.img"];
const CONFIG_FOLDER = "/etc/kata-containers";
const CONFIG = `${CONFIG_FOLDER}/configuration.toml`;
const CONTAINERD = "/etc/containerd/config.toml";

function programs({ from, prefix, links, destdir }: Places): Action[] {
  const own = [...PROGRAMS, ...GUEST, "config.toml"];
  return [
    { kind: "folder", path: `${destdir}${prefix}` },
    ...own.map((name): Action => (
      { kind: "copy", path: `${destdir}${prefix}/${name}`, from: `${from}/${name}` }
    )),
    {
      kind: "link",
      path: `${destdir}${prefix}/kata-runtime`,
      target: "containerd-shim-kata-v2",
    },
    { kind: "folder", path: `${destdir}${links}` },
    ...["containerd-shim-kata-v2", "kata-runtime"].map((name): Action => (
      { kind: "link", path: `${destdir}${links}/${name}`, target: `${prefix}/${name}` }
    )),
  ];
}

/** An administrator's own configuration stays. */
function configuration({ from, destdir }: Places, files: Files): Plan {
  const path = `${destdir}${CONFIG}`;
  if (files.exists(path)) return { actions: [], notes: [`${CONFIG} is there and stays as it is`] };
  return {
    actions: [
      { kind: "folder", path: `${destdir}${CONFIG_FOLDER}` },
      { kind: "copy", path, from: `${from}/config.toml` },
    ],
    notes: [],
  };
}

function containerd({ destdir }: Places, files: Files): Plan {
  const path = `${destdir}${CONTAINERD}`;
  if (!files.exists(`${destdir}/etc/containerd`)) {
    return { actions: [], notes: ["containerd has no /etc/containerd: nothing to configure"] };
  }
  const before = files.text(path), after = withHandler(before, CONFIG);
  if ("problem" in after) {
    return { actions: [], notes: [`${CONTAINERD} stays as it is: ${after.problem}`] };
  }
  if (before === after.text) return { actions: [], notes: [] };
  const kind = before === undefined ? "write" : "edit";
  return {
    actions: [{ kind, path, text: after.text }],
    notes: ["restart containerd for the CRI handler kata: systemctl restart containerd"],
  };
}

/** A file of our own in an engine's folder for such. */
function dropIn({ destdir }: Places, files: Files, path: string, text: string, note: string): Plan {
  const folder = path.slice(0, path.lastIndexOf("/"));
  if (!files.exists(`${destdir}${folder.slice(0, folder.lastIndexOf("/"))}`)) {
    return { actions: [], notes: [] };
  }
  if (files.text(`${destdir}${path}`) === text) return { actions: [], notes: [] };
  return {
    actions: [
      { kind: "folder", path: `${destdir}${folder}` },
      {
        kind: files.exists(`${destdir}${path}`) ? "edit" : "write",
        path: `${destdir}${path}`,
        text,
      },
    ],
    notes: [note],
  };
}

function crioText({ links }: Places): string {
  return `# Written by kata-runtime install.
[crio.runtime.runtimes.kata]
runtime_path = "${links}/containerd-shim-kata-v2"
runtime_type = "vm"
runtime_root = "/run/vc"
runtime_config_path = "${CONFIG}"
privileged_without_host_devices = true
allowed_annotations = ["io.katacontainers.*"]
`;
}

function podmanText({ links }: Places): string {
  return `# Written by kata-runtime install.
[engine.runtimes]
kata = ["${links}/kata-runtime"]
`;
}

/** Everything that is to be done on this host. */
export function planInstall(places: Places, files: Files): Plan {
  const parts: Plan[] = [
    { actions: programs(places), notes: [] },
    configuration(places, files),
    containerd(places, files),
    dropIn(
      places,
      files,
      "/etc/crio/crio.conf.d/50-kata.conf",
      crioText(places),
      "restart CRI-O for the handler kata: systemctl restart crio",
    ),
    dropIn(
      places,
      files,
      "/etc/containers/containers.conf.d/50-kata.conf",
      podmanText(places),
      "Podman knows the runtime now: podman --runtime kata run ...",
    ),
  ];
  return {
    actions: parts.flatMap(({ actions }) => actions),
    notes: parts.flatMap(({ notes }) => notes),
  };
}
