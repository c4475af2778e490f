import { makeFifo } from "../../../common/linux/nodes.ts";
import type { Disk } from "../device.ts";
import { refuseTaken, removeSockets } from "../remove_sockets.ts";
import { FILES } from "./requests.ts";

/** Where a Firecracker lives: what of the host is there, and under which names. Disposing of it takes all away. */
export interface Cell extends AsyncDisposable {
  /** The folder in which its relative names begin, as the host names it; short enough for sockets. */
  readonly folder: string;
  /** Its API socket, as it binds it. */
  readonly apiName: string;
  /** What starts it. @param own Arguments of Firecracker's. */
  start(own: readonly string[]): CellStart;
  /** Has it see a file from before its start until its guest runs. @param name For the file, inside. @returns Its path. */
  lend(path: string, name: string): string;
  /** The guest runs: what was lent is taken away. */
  running(): void;
  /** Has it see a disk. @param name For the disk, inside. @returns Its path inside. */
  admit(disk: Pick<Disk, "path" | "source" | "readonly">, name: string): string;
  /** It has opened what was admitted. */
  opened(name: string): void;
  /** The disk has become larger on the host. */
  grown(name: string): void;
  /** It does not need the disk any more. */
  dismiss(name: string): void;
  /** Makes one of its own files. */
  writeFile(name: string, bytes: Uint8Array): void;
  /** Makes a FIFO, in a new folder. @param name `folder/name`. */
  makePipe(name: string): void;
}

/** How to start a Firecracker. */
export interface CellStart {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly netnsPath?: string;
}

/** No cell at all: it sees what we see, and its own files are in the VM's state folder. */
export class OpenCell implements Cell {
  readonly apiName: string;
  readonly #program: string;
  readonly #id: string;
  readonly #netnsPath: string | undefined;
  readonly #made: string[];

  constructor(
    readonly folder: string,
    { program, id, netnsPath }: { program: string; id: string; netnsPath?: string | undefined },
  ) {
    this.apiName = `${folder}/api.sock`;
    this.#made = [this.apiName, `${folder}/${FILES.vsock}`];
    refuseTaken("Firecracker", this.#made);
    this.#program = program;
    this.#id = id;
    this.#netnsPath = netnsPath;
  }

  start(own: readonly string[]): CellStart {
    return {
      argv: [this.#program, "--id", this.#id, ...own],
      cwd: this.folder,
      ...(this.#netnsPath !== undefined && { netnsPath: this.#netnsPath }),
    };
  }

  lend(path: string): string {
    return path;
  }

  running(): void {}

  admit({ path }: Pick<Disk, "path">): string {
    return path;
  }

  opened(): void {}

  grown(): void {}

  dismiss(): void {}

  writeFile(name: string, bytes: Uint8Array): void {
    const path = `${this.folder}/${name}`;
    Deno.writeFileSync(path, bytes, { mode: 0o600 });
    this.#made.push(path);
  }

  makePipe(name: string): void {
    const path = `${this.folder}/${name}`, folder = path.replace(/\/[^/]*$/, "");
    Deno.mkdirSync(folder, { mode: 0o700 });
    this.#made.push(path, folder);
    makeFifo(path, 0o600);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return removeSockets(this.#made);
  }
}
