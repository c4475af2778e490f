import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { RootfsMount } from "./rootfs.ts";

/** A file system on a block device or in an image file. */
export interface BlockLayer {
  readonly path: string;
  readonly source: "file" | "block-device";
  readonly fstype: string;
  /** Options for the guest's mount. */
  readonly options: readonly string[];
  readonly readonly: boolean;
}

/** File systems that every guest kernel of ours has. */
const FILE_SYSTEMS: ReadonlySet<string> = new Set(["ext2", "ext3", "ext4", "xfs", "erofs"]);
/** Read-only by nature. */
const READ_ONLY: ReadonlySet<string> = new Set(["erofs"]);
/** Options that speak of the host: how a loop device is made there. */
const HOST_OPTION = /^(loop(=.*)?|offset=.*|sizelimit=.*|X-.*|x-.*)$/;
/** The guest stacks no more. */
const MAX_LAYERS = 64;

/**
 * The layers of a root file system that consists of block devices and images alone, lowest first; `undefined` when the
 * host must mount it. Only what a mount itself names is ever given to a VM, never the disk on which a folder lies
 * (CVE-2026-24054).
 * @throws {RuntimeError} InvalidArgument: the layers cannot be stacked.
 */
export function blockLayers(mounts: readonly RootfsMount[]): readonly BlockLayer[] | undefined {
  if (mounts.length === 0) return undefined;
  const layers = mounts.map(layerOf);
  if (!layers.every((layer) => layer !== undefined)) return undefined;
  const paths = layers.map(({ path }) => path);
  if (new Set(paths).size < paths.length) throw invalid("a layer is named twice");
  if (layers.length > MAX_LAYERS) throw invalid(`${layers.length} layers are too many`);
  if (layers.slice(0, -1).some((layer) => !layer.readonly)) {
    throw invalid("only the last of several file systems may be writable");
  }
  return layers;
}

function layerOf({ type, source, options }: RootfsMount): BlockLayer | undefined {
  if (!FILE_SYSTEMS.has(type) || !source.startsWith("/")) return undefined;
  if (options.some((option) => /^(offset|sizelimit)=/.test(option))) return undefined; // a part of a file
  const kind = kindOf(source);
  if (kind === undefined) return undefined;
  const readonly = READ_ONLY.has(type) || options.includes("ro");
  const kept = options.filter((option) => !HOST_OPTION.test(option) && option !== "ro");
  return {
    ...{ path: source, source: kind, fstype: type, readonly },
    options: readonly ? [...kept.filter((option) => option !== "rw"), "ro"] : kept,
  };
}

function kindOf(path: string): BlockLayer["source"] | undefined {
  try {
    const { isBlockDevice, isFile } = Deno.statSync(path);
    if (isBlockDevice) return "block-device";
    return isFile ? "file" : undefined;
  } catch (error) {
    // Whoever mounts it tells why it cannot.
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function invalid(why: string): RuntimeError {
  return new RuntimeError(Code.InvalidArgument, `Cannot stack the root file system: ${why}`);
}
