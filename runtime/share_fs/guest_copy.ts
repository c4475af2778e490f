import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CopyFileRequestSchema } from "../../common/protocol/gen/kata/agent_pb.ts";
import type { HostTree, TreeEntry } from "./host_tree.ts";

/** What a copy needs of the agent. */
export interface CopyClient {
  copyFile(request: MessageInitShape<typeof CopyFileRequestSchema>): Promise<unknown>;
}

/** Longest piece of a file in one message, in bytes. */
const PIECE_BYTES = 1024 * 1024;
const DIR_MODE = 0o755;
/** Types of st_mode; a character device stands for "nothing here any more", as overlay file systems write it. */
const TYPES = { file: 0o100000, folder: 0o040000, link: 0o120000, nothing: 0o020000 } as const;
/** Of a file: keep the one that is there and change its content, since it is mounted by itself. */
const IN_PLACE = 0o1000;

/** The copy in the guest of one file or folder of the host. */
export class GuestCopy {
  readonly #client: CopyClient;
  readonly #tree: HostTree;
  readonly #path: string;
  #known = new Map<string, TreeEntry>();
  #turn: Promise<void> = Promise.resolve();

  constructor(client: CopyClient, tree: HostTree, path: string) {
    this.#client = client;
    this.#tree = tree;
    this.#path = path;
  }

  /** The folders that were there at the last look, without the top. */
  get folders(): string[] {
    return [...this.#known.values()].flatMap(({ kind, path }) =>
      kind === "folder" && path !== "" ? [path] : []
    );
  }

  /**
   * Makes the copy what the host has: folders and files first, then links to them, then what is gone goes, so that a
   * program which follows a link finds either the old files or all of the new ones.
   */
  update(): Promise<void> {
    return this.#inTurn(() => this.#update());
  }

  /** Removes the copy. */
  remove(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#known.size > 0) await this.#forget("");
      this.#known.clear();
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {}); // told to whoever asked for it
    return done;
  }

  async #update(): Promise<void> {
    const entries = this.#tree.entries();
    const changed = entries.filter((entry) => !same(this.#known.get(entry.path), entry));
    for (const entry of changed) {
      await this.#replaceKind(entry);
      if (entry.kind === "folder") await this.#send(entry, new Uint8Array());
      if (entry.kind === "file") await this.#sendFile(entry);
    }
    for (const entry of changed) {
      if (entry.kind === "link") await this.#send(entry, new TextEncoder().encode(entry.target));
    }
    const present = new Set(entries.map(({ path }) => path));
    for (const path of this.#known.keys()) {
      // What lay in a folder that is gone went with it.
      if (!present.has(path) && present.has(parentOf(path))) await this.#forget(path);
    }
    this.#known = new Map(entries.map((entry) => [entry.path, entry]));
  }

  async #replaceKind({ path, kind }: TreeEntry): Promise<void> {
    const known = this.#known.get(path);
    if (known && known.kind !== kind) await this.#forget(path);
  }

  async #forget(path: string): Promise<void> {
    const nothing = { path, kind: "nothing", mode: 0, uid: 0, gid: 0 } as const;
    await this.#send(nothing, new Uint8Array());
  }

  async #sendFile(entry: TreeEntry): Promise<void> {
    using file = this.#tree.open(entry.path);
    // As much as is there now: the file may grow or shrink while it is read, and then there is another event.
    const bytes = await readAll(file, entry.size);
    for (let at = 0; at === 0 || at < bytes.length; at += PIECE_BYTES) {
      await this.#send(entry, bytes.subarray(at, at + PIECE_BYTES), at, bytes.length);
    }
  }

  async #send(
    { path, kind, mode, uid, gid }: Pick<TreeEntry, "path" | "mode" | "uid" | "gid"> & {
      kind: keyof typeof TYPES;
    },
    data: Uint8Array,
    offset = 0,
    size = data.length,
  ): Promise<void> {
    const single = kind === "file" && path === "";
    await this.#client.copyFile({
      path: path === "" ? this.#path : `${this.#path}/${path}`,
      fileMode: TYPES[kind] | mode & ~IN_PLACE | (single ? IN_PLACE : 0),
      dirMode: DIR_MODE,
      ...{ uid, gid, data, offset: BigInt(offset), fileSize: BigInt(size) },
    });
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function same(a: TreeEntry | undefined, b: TreeEntry): boolean {
  if (a === undefined || a.kind !== b.kind) return false;
  const owner = a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
  // A folder's own version changes with each file in it.
  return owner && (a.kind === "folder" || a.version === b.version);
}

async function readAll(file: Deno.FsFile, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const count = await file.read(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return bytes.subarray(0, length);
}
