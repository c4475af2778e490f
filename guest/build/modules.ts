/**
 * Chooses kernel modules with all they depend on, and writes the two ways to
 * load them: the list that /init follows, and modprobe's tables.
 * Source: kmod's modules.dep(5), the .modinfo section of a module.
 */
import { Elf } from "./elf.ts";
import type { Entry } from "./cpio.ts";
import type { KernelItem } from "./manifest.ts";

/** What a module says of itself. */
export interface ModuleInfo {
  readonly name: string;
  /** Path below lib/modules/<release>/, as in "kernel/fs/9p/9p.ko". */
  readonly path: string;
  readonly depends: readonly string[];
  readonly aliases: readonly string[];
  readonly data: Uint8Array;
}

/** Everything about one release's modules. */
export interface ModuleTree {
  readonly release: string;
  /** Finds a module, or undefined when it is built in. @throws {Error} When the kernel has it in neither way. */
  find(name: string): ModuleInfo | undefined;
}

const SIGNATURE_MAGIC = "~Module signature appended~\n";
const SIGNATURE_TRAILER_BYTES = 12;

/** Underscores and dashes are the same in module names; the kernel uses underscores. */
export function canonicalName(path: string): string {
  return path.replace(/^.*\//, "").replace(/\.ko$/, "").replaceAll("-", "_");
}

/** Opens lib/modules of an unpacked kernel package. */
export async function openModuleTree(modulesDir: string): Promise<ModuleTree> {
  const release = await onlyEntry(modulesDir);
  const root = `${modulesDir}/${release}`;
  const lines = async (name: string): Promise<string[]> =>
    (await Deno.readTextFile(`${root}/${name}`)).split("\n").filter((line) => line !== "");
  const paths = new Map((await lines("modules.order")).map((path) => [canonicalName(path), path]));
  const builtIn = new Set((await lines("modules.builtin")).map(canonicalName));
  return {
    release,
    find(name) {
      if (builtIn.has(canonicalName(name))) return undefined;
      const path = paths.get(canonicalName(name));
      if (path === undefined) throw new Error(`Kernel ${release} has no module "${name}"`);
      return readModule(path, Deno.readFileSync(`${root}/${path}`));
    },
  };
}

async function onlyEntry(folder: string): Promise<string> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name);
  if (names.length !== 1) {
    throw new Error(`Expected one kernel release in "${folder}", found ${names.length}`);
  }
  return names.join();
}

/** Reads a module's .modinfo: "key=value" texts, each with a NUL. */
export function readModule(path: string, bytes: Uint8Array): ModuleInfo {
  const data = withoutSignature(bytes);
  const section = new Elf(data).sections().find(({ name }) => name === ".modinfo");
  const texts = new TextDecoder().decode(section?.data).split("\0");
  const values = (key: string): string[] =>
    texts.filter((text) => text.startsWith(key)).map((text) => text.slice(key.length));
  const depends = values("depends=").flatMap((value) => value.split(",")).filter((name) =>
    name !== ""
  );
  return { name: canonicalName(path), path, depends, aliases: values("alias="), data };
}

/**
 * Drops a module's appended signature. The initrd is as trusted as the kernel,
 * and checking RSA signatures costs milliseconds each where the CPU is emulated.
 * Source: scripts/sign-file.c, struct module_signature.
 */
export function withoutSignature(bytes: Uint8Array): Uint8Array {
  const magicAt = bytes.length - SIGNATURE_MAGIC.length;
  if (new TextDecoder().decode(bytes.subarray(Math.max(magicAt, 0))) !== SIGNATURE_MAGIC) {
    return bytes;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const signatureBytes = view.getUint32(magicAt - 4, false);
  const end = magicAt - SIGNATURE_TRAILER_BYTES - signatureBytes;
  if (end < 0) throw new Error("its signature is longer than the module");
  return bytes.subarray(0, end);
}

/** A module after everything it depends on; each once. Built-in ones are left out. */
export function loadOrder(names: readonly string[], tree: ModuleTree): ModuleInfo[] {
  const order = new Map<string, ModuleInfo>();
  const visit = (name: string): void => {
    if (order.has(canonicalName(name))) return;
    const info = tree.find(name);
    if (info === undefined) return;
    info.depends.forEach(visit);
    order.set(info.name, info);
  };
  names.forEach(visit);
  return [...order.values()];
}

/** The modules, the list for /init and modprobe's tables as entries of the root file system. */
export function moduleEntries(kernel: KernelItem, tree: ModuleTree): Entry[] {
  const together = Object.values(kernel.together).flat();
  const all = loadOrder(
    [...kernel.always, ...kernel.devices, ...together, ...kernel.onDemand],
    tree,
  );
  const root = `lib/modules/${tree.release}`;
  return [
    ...all.map((info): Entry => ({
      kind: "file",
      path: `${root}/${info.path}`,
      mode: 0o644,
      data: info.data,
    })),
    textFile(
      "etc/kata-modules",
      initList(kernel, tree).map(({ alias, path }) => `${alias} /${root}/${path}`),
    ),
    textFile(`${root}/modules.dep`, all.map((info) => dependencyLine(info, tree))),
    textFile(`${root}/modules.alias`, all.flatMap(aliasLines)),
  ];
}

/** What /init loads: alias prefix ("*": always) and module, in order. */
export function initList(kernel: KernelItem, tree: ModuleTree): { alias: string; path: string }[] {
  const always = loadOrder(kernel.always, tree).map(({ path }) => ({ alias: "*", path }));
  const forDevices = kernel.devices.flatMap((name) => {
    const device = tree.find(name);
    const prefixes = new Set((device?.aliases ?? []).flatMap(devicePrefix));
    const needed = loadOrder([name, ...kernel.together[name] ?? []], tree);
    return [...prefixes].flatMap((alias) => needed.map(({ path }) => ({ alias, path })));
  });
  const loadedAlways = new Set(always.map(({ path }) => path));
  return [...always, ...forDevices.filter(({ path }) => !loadedAlways.has(path))];
}

/** /init compares prefixes: what stands before the first wildcard of a bus's alias. */
function devicePrefix(alias: string): string[] {
  return /^(virtio|scsi|nd):/.test(alias) ? [alias.slice(0, alias.search(/[*?[]|$/))] : [];
}

function dependencyLine(info: ModuleInfo, tree: ModuleTree): string {
  // modprobe loads from the end of the line backwards.
  const needed = loadOrder(info.depends, tree).map(({ path }) => path).reverse();
  return `${info.path}:${needed.map((path) => " " + path).join("")}`;
}

function aliasLines(info: ModuleInfo): string[] {
  return info.aliases.map((alias) => `alias ${alias} ${info.name}`);
}

function textFile(path: string, lines: readonly string[]): Entry {
  return {
    kind: "file",
    path,
    mode: 0o644,
    data: new TextEncoder().encode(lines.map((line) => line + "\n").join("")),
  };
}
