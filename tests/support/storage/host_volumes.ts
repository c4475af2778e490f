/** Volumes on the host as the kubelet and storage plugins leave them, for tests. */
import { output } from "../../../tools/lib/command.ts";
import { busyboxRoot, fileSystemImage } from "../busybox_root.ts";
import { compileC } from "../../../tools/lib/c_program.ts";

/** Numbers of a loop device. */
export interface LoopDevice {
  readonly path: string;
  readonly major: number;
  readonly minor: number;
}

/** A folder of sources for containers; disposing of it removes it with its mounts and loop devices. */
export class HostVolumes implements AsyncDisposable {
  readonly #undo = new AsyncDisposableStack();

  private constructor(
    readonly folder: string,
    readonly root: string,
    readonly spareMiB: number | undefined,
  ) {}

  /** @param spareMiB Room in ext4 images, beside their files. */
  static async make(spareMiB?: number): Promise<HostVolumes> {
    const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "kata-volumes-" }));
    const root = await busyboxRoot(folder);
    for (const program of ["posix_cases", "await_rename"]) {
      await compileC(`tests/support/storage/${program}.c`, `${root}/bin/${program}`);
    }
    const volumes = new HostVolumes(folder, root, spareMiB);
    volumes.#undo.defer(() => Deno.remove(folder, { recursive: true }));
    return volumes;
  }

  /** Lines of a configuration under which these are the kubelet's volumes. */
  get config(): string[] {
    return ["[runtime]", `kubelet_root_dir = "${this.folder}/kubelet"`];
  }

  /** An image of a file system with the test image's files in it, made once. */
  async image(fstype: "ext4" | "xfs" | "erofs"): Promise<string> {
    const path = `${this.folder}/${fstype}.img`;
    const made = await Deno.stat(path).then(() => true, () => false);
    return made ? path : await fileSystemImage(fstype, this.root, path, this.spareMiB);
  }

  /** An image of a read-only layer with one file, `layer`. */
  async smallLayer(): Promise<string> {
    const path = `${this.folder}/layer.img`, from = `${this.folder}/layer`;
    if (await Deno.stat(path).then(() => true, () => false)) return path;
    await Deno.mkdir(from);
    await Deno.writeTextFile(`${from}/layer`, "on top\n");
    return await fileSystemImage("erofs", from, path);
  }

  /** A folder of the host with a file in it. */
  async plain(name: string): Promise<string> {
    const path = `${this.folder}/${name}`;
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeTextFile(`${path}/file`, "from the host");
    return path;
  }

  /** A volume of the kubelet's: its path. */
  async kubelet(kind: string, name: string, mode = 0o777): Promise<string> {
    const path = `${this.folder}/kubelet/pods/uid/volumes/kubernetes.io~${kind}/${name}`;
    await Deno.mkdir(path, { recursive: true });
    await Deno.chmod(path, mode);
    return path;
  }

  /** A folder of an emptyDir, bound as the kubelet binds parts of volumes: its path. */
  async subPath(name: string, below: string): Promise<string> {
    const pod = `${this.folder}/kubelet/pods/uid`;
    const folder = `${pod}/volumes/kubernetes.io~empty-dir/${name}/${below}`;
    const path = `${pod}/volume-subpaths/${name}/container/0`;
    await Deno.mkdir(folder, { recursive: true });
    await this.mount("--bind", folder, path);
    return path;
  }

  /** Mounts something until disposal. */
  async mount(...args: readonly string[]): Promise<void> {
    const point = args.at(-1) ?? "";
    await Deno.mkdir(point, { recursive: true });
    await output(["mount", ...args]);
    this.#undo.defer(async () => void await output(["umount", point]));
  }

  /** A loop device on a new file. */
  async loop(mebibytes: number): Promise<LoopDevice & { readonly file: string }> {
    const file = `${this.folder}/loop.img`;
    await output(["truncate", "-s", `${mebibytes}M`, file]);
    const path = (await output(["losetup", "--find", "--show", file])).trim();
    this.#undo.defer(async () => void await output(["losetup", "--detach", path]));
    const rdev = (await Deno.stat(path)).rdev ?? 0;
    return { path, file, major: rdev >> 8, minor: rdev & 0xff };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}

/** What the kubelet does when a ConfigMap or Secret changes: one rename makes all of it new. */
export async function writeAtomically(
  volume: string,
  version: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const old = await Deno.readLink(`${volume}/..data`).catch(() => undefined); // none the first time
  await Deno.mkdir(`${volume}/..${version}`);
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${volume}/..${version}/${name}`, text);
  }
  await Deno.symlink(`..${version}`, `${volume}/..data_tmp`);
  await Deno.rename(`${volume}/..data_tmp`, `${volume}/..data`);
  for (const name of Object.keys(files)) {
    await Deno.symlink(`..data/${name}`, `${volume}/${name}`).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
  }
  if (old !== undefined) await Deno.remove(`${volume}/${old}`, { recursive: true });
}
