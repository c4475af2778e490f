/** Writes OCI images of one layer as archives that `ctr image import` takes. */
import { sha256 } from "../../tools/lib/hash.ts";
import { packTar, type TarEntry } from "./tar.ts";

/** An image to write. */
export interface ImageSpec {
  /** Its full name, such as `docker.io/library/busybox:latest`. */
  readonly name: string;
  readonly layer: readonly TarEntry[];
  /** Its default command. */
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly entrypoint?: readonly string[];
  /** As `USER` of a Dockerfile has it; root if absent. */
  readonly user?: string;
}

/** A piece of an image, found by its digest. */
export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly content: Uint8Array<ArrayBuffer>;
}

async function blob(mediaType: string, content: Uint8Array<ArrayBuffer>): Promise<Blob> {
  const digest = `sha256:${await sha256(content)}`;
  return { mediaType, digest, size: content.length, content };
}

function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

function descriptor({ mediaType, digest, size }: Blob): Record<string, unknown> {
  return { mediaType, digest, size };
}

function entry({ digest, content }: Blob): TarEntry {
  return { kind: "file", path: `blobs/${digest.replace(":", "/")}`, mode: 0o644, content };
}

/** Go's name for this machine's processor, as OCI wants it. */
const ARCHITECTURE = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

async function configBlob(spec: ImageSpec, layer: Blob): Promise<Blob> {
  const value = {
    architecture: ARCHITECTURE,
    os: "linux",
    config: { Cmd: spec.command, Env: spec.env, Entrypoint: spec.entrypoint, User: spec.user },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  };
  return await blob("application/vnd.oci.image.config.v1+json", jsonBytes(value));
}

async function manifestBlob(config: Blob, layer: Blob): Promise<Blob> {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const value = {
    schemaVersion: 2,
    mediaType,
    config: descriptor(config),
    layers: [descriptor(layer)],
  };
  return await blob(mediaType, jsonBytes(value));
}

function index(name: string, manifest: Blob): Uint8Array {
  const annotations = {
    "io.containerd.image.name": name,
    "org.opencontainers.image.ref.name": name.replace(/^.*:/, ""),
  };
  return jsonBytes({ schemaVersion: 2, manifests: [{ ...descriptor(manifest), annotations }] });
}

/** The pieces of an image: manifest, configuration, layer. Source: OCI image-spec. */
export async function imageBlobs(
  spec: ImageSpec,
): Promise<readonly [manifest: Blob, config: Blob, layer: Blob]> {
  const layer = await blob("application/vnd.oci.image.layer.v1.tar", packTar(spec.layer));
  const config = await configBlob(spec, layer);
  return [await manifestBlob(config, layer), config, layer];
}

/** What Docker before 25.0 reads instead of the index: `docker load` knows no other form. Source: moby's image/spec. */
function dockerManifest(name: string, config: Blob, layer: Blob): Uint8Array {
  const path = ({ digest }: Blob): string => `blobs/${digest.replace(":", "/")}`;
  const repository = name.replace(/^docker\.io\/(library\/)?/, "");
  return jsonBytes([{ Config: path(config), RepoTags: [repository], Layers: [path(layer)] }]);
}

/** The image as a tar archive. Source: OCI image-spec, "Image Layout". */
export async function packImage(spec: ImageSpec): Promise<Uint8Array<ArrayBuffer>> {
  const [manifest, config, layer] = await imageBlobs(spec);
  const layout = jsonBytes({ imageLayoutVersion: "1.0.0" });
  return packTar([
    { kind: "file", path: "oci-layout", mode: 0o644, content: layout },
    { kind: "file", path: "index.json", mode: 0o644, content: index(spec.name, manifest) },
    {
      kind: "file",
      path: "manifest.json",
      mode: 0o644,
      content: dockerManifest(spec.name, config, layer),
    },
    ...[manifest, config, layer].map(entry),
  ]);
}
