/** OCI bundles for the command line: busybox in a folder of its own. */

/** Debian's busybox-static. */
const BUSYBOX = "/bin/busybox";

const APPLETS = [
  ...["cat", "echo", "false", "hostname", "httpd", "id", "kill", "ls", "mount", "ps", "sh"],
  ...["sleep", "stty", "sync", "touch", "true", "tty", "uname", "wc", "wget"],
];

const FOLDERS = ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp"];

/** What a bundle's configuration is to have besides the defaults. */
export interface BundleOptions {
  readonly terminal?: boolean;
  /** Replaces parts of the document. */
  readonly json?: Readonly<Record<string, unknown>>;
}

function configuration(args: readonly string[], options: BundleOptions): Record<string, unknown> {
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: options.terminal ?? false,
      user: { uid: 0, gid: 0 },
      args,
      env: ["PATH=/bin", "TERM=xterm"],
      cwd: "/",
    },
    root: { path: "rootfs" },
    hostname: "box",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755"] },
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance"] },
    ],
    linux: {
      namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })),
    },
    ...options.json,
  };
}

/** A bundle that runs a command of busybox; disposing removes it. */
export class Bundle implements Disposable {
  private constructor(readonly path: string) {}

  static make(args: readonly string[], options: BundleOptions = {}): Bundle {
    const path = Deno.makeTempDirSync({ prefix: "kata-bundle-" });
    for (const name of FOLDERS) Deno.mkdirSync(`${path}/rootfs/${name}`, { recursive: true });
    Deno.copyFileSync(BUSYBOX, `${path}/rootfs/bin/busybox`);
    for (const name of APPLETS) Deno.symlinkSync("busybox", `${path}/rootfs/bin/${name}`);
    const text = JSON.stringify(configuration(args, options), null, 1);
    Deno.writeTextFileSync(`${path}/config.json`, text);
    return new Bundle(path);
  }

  get rootfs(): string {
    return `${this.path}/rootfs`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
