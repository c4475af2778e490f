import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { OwnedFd } from "../../../common/linux/fd.ts";
import { LoopDevice } from "../../../common/linux/loop.ts";
import {
  MNT_DETACH,
  mount,
  mountWithOptions,
  MS_BIND,
  unmount,
} from "../../../common/linux/mount.ts";
import { makeBlockDevice, makeFifo } from "../../../common/linux/nodes.ts";
import type { Disk } from "../device.ts";
import { jailFolder, unmountJail } from "../jail_folder.ts";
import { refuseTaken } from "../remove_sockets.ts";
import { claimVmmUser } from "../vmm_user.ts";
import type { Cell, CellStart } from "./cell.ts";

/** Inside, nobody else is: all jails may have the same name. Source: jailer, `--id`. */
const ID = "vm";
/** Inside. */
const API = "/api.sock";
/** What others may do with a file: read it. */
const OTHERS_READ = 0o004;

export interface JailOptions {
  readonly jailer: string;
  readonly program: string;
  readonly stateDir: string;
  readonly netnsPath: string | undefined;
  /** Has the user that the VMM will be use what is the VM's. */
  readonly admitUser: (uid: number) => void;
}

type AdmittedDisk = Pick<Disk, "path" | "source" | "readonly">;

/** A disk that was admitted, and the loop device that stands for a file. */
interface Admitted {
  readonly path: string;
  readonly loop: LoopDevice | undefined;
}

/**
 * A root of its own, in which a Firecracker lives as a user of its own: Firecracker's jailer puts it there. It is on a
 * file system of its own, because on many hosts the one that the state folder is on has no devices and no programs.
 * Source: Firecracker, docs/jailer.md.
 */
export class Jail implements Cell {
  readonly apiName = API;
  /** A short name for the root: a Unix socket's path is not. */
  readonly folder: string;
  readonly #options: JailOptions;
  readonly #undo: DisposableStack;
  readonly #uid: number;
  #lent = new DisposableStack();
  readonly #disks = new Map<string, Admitted>();

  private constructor(options: JailOptions, uid: number, undo: DisposableStack) {
    this.#options = options;
    this.#uid = uid;
    this.#undo = undo;
    this.folder = linkOf(options);
  }

  /** @throws {RuntimeError} AlreadyExists. @throws {SyscallError} Nothing is left then. */
  static make(options: JailOptions): Jail {
    using undo = new DisposableStack();
    const { stateDir, program, admitUser } = options, base = jailFolder(stateDir);
    refuseTaken("Firecracker", [base, linkOf(options)]);
    const { uid, claimFd } = claimVmmUser();
    undo.use(new OwnedFd(claimFd)); // the jailer hands nothing on
    Deno.mkdirSync(base, { mode: 0o755 });
    undo.defer(() => Deno.removeSync(base));
    mountWithOptions("jail", base, "tmpfs", ["nosuid", "mode=0755"]);
    undo.defer(() => unmountJail(stateDir));
    const root = `${base}/${baseName(program)}/${ID}/root`;
    Deno.mkdirSync(root, { recursive: true, mode: 0o755 });
    Deno.symlinkSync(root, linkOf(options));
    undo.defer(() => Deno.removeSync(linkOf(options)));
    admitUser(uid);
    return new Jail(options, uid, undo.move());
  }

  start(own: readonly string[]): CellStart {
    const { jailer, program, stateDir, netnsPath } = this.#options, user = `${this.#uid}`;
    const argv = [
      ...[jailer, "--id", ID, "--exec-file", program, "--uid", user, "--gid", user],
      ...["--chroot-base-dir", jailFolder(stateDir)],
      ...(netnsPath === undefined ? [] : ["--netns", netnsPath]),
    ];
    return { argv: [...argv, "--", ...own], cwd: "/" };
  }

  /** What others must not read is copied. */
  lend(path: string, name: string): string {
    const target = this.#at(name), { mode } = Deno.statSync(path);
    if ((mode ?? 0) & OTHERS_READ) {
      Deno.writeFileSync(target, new Uint8Array(), { createNew: true });
      mount(Deno.realPathSync(path), target, "", MS_BIND);
      this.#lent.defer(() => unmount(target, MNT_DETACH));
    } else {
      Deno.copyFileSync(path, target);
      this.#give(target, 0o400);
      this.#lent.defer(() => Deno.removeSync(target));
    }
    return `/${name}`;
  }

  running(): void {
    this.#lent.dispose();
    this.#lent = new DisposableStack();
  }

  /** Files become devices: so they need not be the user's, and can come at any time. */
  admit(disk: AdmittedDisk, name: string): string {
    try {
      return this.#admit(disk, name);
    } catch (cause) {
      throw new RuntimeError(
        Code.InvalidArgument,
        `Cannot bring disk "${disk.path}" into the VMM's jail: ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  #admit({ path, source, readonly }: AdmittedDisk, name: string): string {
    if (this.#disks.has(name)) return `/${name}`;
    using undo = new DisposableStack();
    const loop = source === "file" ? undo.use(LoopDevice.attach(path, { readonly })) : undefined;
    const { rdev } = Deno.statSync(loop?.path ?? path), target = this.#at(name);
    makeBlockDevice(target, 0o600, rdev ?? 0);
    undo.defer(() => Deno.removeSync(target));
    this.#give(target, readonly ? 0o400 : 0o600);
    undo.move();
    this.#disks.set(name, { path, loop });
    return `/${name}`;
  }

  /** From here on the VMM alone keeps a loop device. */
  opened(name: string): void {
    this.#disks.get(name)?.loop?.[Symbol.dispose]();
  }

  grown(name: string): void {
    this.#disks.get(name)?.loop?.grown();
  }

  dismiss(name: string): void {
    if (!this.#disks.has(name)) return;
    this.opened(name);
    this.#disks.delete(name);
    Deno.removeSync(this.#at(name));
  }

  writeFile(name: string, bytes: Uint8Array): void {
    Deno.writeFileSync(this.#at(name), bytes, { createNew: true });
    this.#give(this.#at(name), 0o600);
  }

  makePipe(name: string): void {
    const folder = name.slice(0, name.lastIndexOf("/"));
    Deno.mkdirSync(this.#at(folder));
    makeFifo(this.#at(name), 0o600);
    this.#give(this.#at(folder), 0o700);
    this.#give(this.#at(name), 0o600);
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#disks.keys()) this.opened(name);
    this.running();
    this.#undo.dispose();
    return Promise.resolve();
  }

  #at(name: string): string {
    return `${this.folder}/${name}`;
  }

  #give(path: string, mode: number): void {
    Deno.chmodSync(path, mode);
    Deno.chownSync(path, this.#uid, this.#uid);
  }
}

function linkOf({ stateDir }: JailOptions): string {
  return `${stateDir}/root`;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
