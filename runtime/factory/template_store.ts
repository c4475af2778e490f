import { exists } from "../../common/base/exists.ts";
import { encodeHex } from "../../common/base/hex.ts";
import { messageOf } from "../../common/base/errors.ts";
import { tryLock } from "../../common/linux/flock.ts";
import { cleanUp } from "../hypervisor/clean_up.ts";
import { initialVmState } from "../hypervisor/vm_state.ts";
import { ensureTmpfs } from "./tmpfs.ts";
import { parseManifest, type TemplateManifest } from "./template_manifest.ts";

/** Templates kept: of two configurations that take turns, neither has to be built again and again. */
const MAX_TEMPLATES = 2;
/** So long after a failed build none is tried by itself: what failed fails again, at a pod's expense. */
const RETRY_MS = 10 * 60 * 1000;
const MAX_MANIFEST_BYTES = 64 * 1024;
const BLOCK_BYTES = 512;
/** The part of a template's pages that must be there. */
const WHOLE = 0.98;
const KEY = /^[0-9a-f]{24}$/;

/** A template that was checked and can be cloned. */
export interface Template {
  readonly manifest: TemplateManifest;
  readonly memory: string;
  readonly state: string;
}

/** A template's folder while it is being made. */
export interface Draft {
  readonly key: string;
  readonly folder: string;
  readonly memory: string;
  readonly state: string;
}

/**
 * The templates of a host, one folder each below `template_path`. A template appears whole, by a rename; it is
 * checked whenever it is opened; a builder's lock falls with the builder.
 */
export class TemplateStore {
  constructor(readonly path: string) {}

  /** @returns The template, or why there is none that can be used. Files that do not hold together are removed. */
  async open(key: string): Promise<Template | string> {
    const folder = this.#folder(key);
    let manifest: TemplateManifest;
    try {
      manifest = await readManifest(folder);
      await checkFiles(folder, manifest);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound && !exists(folder)) return "no template was built";
      await this.remove(key);
      return `the template was damaged, and is removed: ${messageOf(error)}`;
    }
    await touch(`${folder}/template.json`);
    return { manifest, ...filesOf(folder) };
  }

  /** All templates that can be used, latest used first. */
  async list(): Promise<TemplateManifest[]> {
    const keys = names(this.path).filter((name) => KEY.test(name));
    const used = keys.map((key) => ({ key, at: usedAt(this.#folder(key)) }));
    const sorted = used.sort((a, b) => b.at - a.at).map(({ key }) => key);
    const found = await Promise.all(
      sorted.map((key) => readManifest(this.#folder(key)).catch(() => undefined)),
    );
    return found.filter((manifest) => manifest !== undefined);
  }

  /** The right to build. @returns `undefined` while another process has it. */
  lock(): Disposable | undefined {
    ensureTmpfs(this.path);
    return tryLock(`${this.path}/lock`);
  }

  /** Begins a template, after whatever builders that died have left. The lock must be held. */
  async begin(key: string): Promise<Draft> {
    await this.#sweep();
    const folder = `${this.path}/new-${key}`;
    await Deno.mkdir(`${folder}/share`, { recursive: true, mode: 0o700 });
    return { key, folder, ...filesOf(folder) };
  }

  /** Makes a finished template known, and lets the least used ones go. */
  async publish(draft: Draft, about: string): Promise<TemplateManifest> {
    const { key, folder, memory, state } = draft;
    const { size, blocks } = await Deno.stat(memory);
    const manifest = {
      key,
      about,
      builtAt: Date.now(),
      memoryBytes: size,
      memoryBlocks: blocks ?? 0,
      stateBytes: (await Deno.stat(state)).size,
      stateSha256: await sha256(await Deno.readFile(state)),
    };
    await Deno.remove(`${folder}/share`);
    await Deno.writeTextFile(`${folder}/template.json`, JSON.stringify(manifest), { mode: 0o600 });
    for (const path of [memory, state]) await Deno.chmod(path, 0o400);
    await this.remove(key);
    await Deno.rename(folder, this.#folder(key));
    await this.#forgetFailure(key);
    for (const old of (await this.list()).slice(MAX_TEMPLATES)) await this.remove(old.key);
    return manifest;
  }

  /** Removes what an unfinished template has left, its VM too. */
  async abandon({ folder }: Pick<Draft, "folder">): Promise<void> {
    await cleanUp(initialVmState("template", "template", folder));
    await removeTree(folder);
  }

  /** Removes a template. VMs that were cloned from it keep its memory until they end. */
  async remove(key: string): Promise<void> {
    const doomed = `${this.path}/old-${crypto.randomUUID()}`;
    try {
      await Deno.rename(this.#folder(key), doomed); // nobody finds half of it
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    await removeTree(doomed);
  }

  /** Removes everything. The lock must be held. */
  async clear(): Promise<string[]> {
    await this.#sweep();
    const keys = names(this.path).filter((name) => KEY.test(name));
    for (const key of keys) await this.remove(key);
    for (const name of names(this.path)) {
      if (name.startsWith("failed-")) await removeTree(`${this.path}/${name}`);
    }
    return keys;
  }

  async noteFailure(key: string, reason: string): Promise<void> {
    await Deno.writeTextFile(`${this.path}/failed-${key}`, reason.slice(0, 2000), { mode: 0o600 });
  }

  /** Why the last build failed, while that is a reason not to try again. */
  async recentFailure(key: string): Promise<string | undefined> {
    try {
      const path = `${this.path}/failed-${key}`;
      const { mtime } = await Deno.stat(path);
      if (Date.now() - (mtime?.getTime() ?? 0) > RETRY_MS) return undefined;
      return await Deno.readTextFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  async #forgetFailure(key: string): Promise<void> {
    await removeTree(`${this.path}/failed-${key}`);
  }

  async #sweep(): Promise<void> {
    for (const name of names(this.path)) {
      const folder = `${this.path}/${name}`;
      if (name.startsWith("new-")) await this.abandon({ folder });
      if (name.startsWith("old-")) await removeTree(folder);
    }
  }

  #folder(key: string): string {
    if (!KEY.test(key)) throw new TypeError(`${JSON.stringify(key)} is no template's key`);
    return `${this.path}/${key}`;
  }
}

function filesOf(folder: string): { memory: string; state: string } {
  return { memory: `${folder}/memory`, state: `${folder}/state` };
}

async function readManifest(folder: string): Promise<TemplateManifest> {
  const path = `${folder}/template.json`;
  const { size } = await Deno.stat(path);
  if (size > MAX_MANIFEST_BYTES) throw new Error(`"${path}" has ${size} bytes`);
  return parseManifest(JSON.parse(await Deno.readTextFile(path)));
}

/**
 * Memory is too large to be read at every start; a file that was cut or has lost pages has other sizes. A few may come
 * and go: holes are filled with zeros by whoever looks into them, and the kernel takes those back when it likes.
 */
async function checkFiles(folder: string, manifest: TemplateManifest): Promise<void> {
  const { memory, state } = filesOf(folder);
  const { size, blocks } = await Deno.stat(memory);
  if (size !== manifest.memoryBytes || (blocks ?? 0) < manifest.memoryBlocks * WHOLE) {
    const now = `${size} bytes in ${(blocks ?? 0) * BLOCK_BYTES}`;
    const then = `${manifest.memoryBytes} in ${manifest.memoryBlocks * BLOCK_BYTES}`;
    throw new Error(`its memory has ${now}, and had ${then}`);
  }
  const { size: stateBytes } = await Deno.stat(state);
  if (stateBytes !== manifest.stateBytes) throw new Error(`its state has ${stateBytes} bytes`);
  if (await sha256(await Deno.readFile(state)) !== manifest.stateSha256) {
    throw new Error("its state has other content than when it was saved");
  }
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return encodeHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

function names(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function usedAt(folder: string): number {
  try {
    return Deno.statSync(`${folder}/template.json`).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** Notes a use. Another process may just have removed the template: then the clone fails, and says so. */
async function touch(path: string): Promise<void> {
  const now = new Date();
  await Deno.utime(path, now, now).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

async function removeTree(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
