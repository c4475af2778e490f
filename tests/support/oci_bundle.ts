/** Containers from a specification of the test's own, with everything that `ctr`'s flags do not reach. */
import { output } from "../../tools/lib/command.ts";
import type { CommandOptions, CommandResult } from "../../tools/lib/command.ts";
import { type Containerd, SHIM_PATH } from "./containerd.ts";

const BUSYBOX = "/bin/busybox";
const CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"];

/** Any JSON object. */
type Members = Record<string, unknown>;

/** What a specification has beyond the ordinary; members of `process` and `linux` add to theirs. */
export interface SpecChange {
  readonly process?: Members;
  readonly linux?: Members;
  readonly annotations?: Record<string, string>;
  readonly hooks?: Members;
  readonly rootReadonly?: boolean;
}

/** A root file system of busybox in a temporary folder, gone with its scope. */
export class Rootfs implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async make(): Promise<Rootfs> {
    const path = await Deno.makeTempDir({ prefix: "kata-rootfs-" });
    for (const folder of ["bin", "dev", "etc", "proc", "sys", "tmp"]) {
      await Deno.mkdir(`${path}/${folder}`);
    }
    await Deno.copyFile(BUSYBOX, `${path}/bin/busybox`);
    for (const link of await output([BUSYBOX, "--list"]).then((text) => text.trim().split("\n"))) {
      if (link === "busybox") continue;

      await Deno.symlink("busybox", `${path}/bin/${link}`);
    }
    await Deno.chmod(path, 0o755);
    return new Rootfs(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** A specification with namespaces and mounts of its own, as engines write it. */
export function specOf(rootfs: Rootfs, args: readonly string[], change: SpecChange = {}): Members {
  const own = ["bounding", "effective", "permitted"].map((set) => [set, CAPABILITIES]);
  return {
    ociVersion: "1.0.2",
    hostname: "h",
    root: { path: rootfs.path, readonly: change.rootReadonly ?? false },
    process: {
      args,
      cwd: "/",
      env: ["PATH=/bin"],
      user: { uid: 0, gid: 0 },
      capabilities: Object.fromEntries(own),
      ...change.process,
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro"] },
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755"] },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"] },
    ],
    linux: {
      namespaces: ["mount", "pid", "ipc", "uts", "network"].map((type) => ({ type })),
      cgroupsPath: "/default/c",
      ...change.linux,
    },
    ...(change.hooks && { hooks: change.hooks }),
    annotations: change.annotations ?? {},
  };
}

/** The annotations of a pod's first container, or of another one, as CRI sets them. */
export function podAnnotations(kind: "sandbox" | "container", pod: string): Record<string, string> {
  return {
    "io.kubernetes.cri.container-type": kind,
    "io.kubernetes.cri.sandbox-id": pod,
  };
}

/** The command line of `ctr run` for a specification; its file goes with the containerd. */
export async function runArguments(
  containerd: Containerd,
  id: string,
  spec: Members,
  flags: readonly string[] = [],
): Promise<string[]> {
  const path = `${containerd.directory}/spec-${id}.json`;
  await Deno.writeTextFile(path, JSON.stringify(spec));
  return ["run", "--rm", "--runtime", SHIM_PATH, ...flags, "--config", path, id];
}

/** `ctr run --rm` of a specification to its end. */
export async function runSpec(
  containerd: Containerd,
  id: string,
  spec: Members,
  options: CommandOptions & { readonly flags?: readonly string[] } = {},
): Promise<CommandResult> {
  const { flags = [], ...rest } = options;
  return await containerd.ctr(await runArguments(containerd, id, spec, flags), rest);
}
