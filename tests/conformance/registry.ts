/** A registry that only serves: what a client needs to pull images, over TLS on a loopback address. */
import { output } from "../../tools/lib/command.ts";
import type { RegistryImage } from "./image_parts.ts";

/** The address on which it plays the registries, away from what the machine itself may serve. */
export const REGISTRY_ADDRESS = "127.0.0.77";

/** Whom it plays. */
export const REGISTRY_HOSTS = [
  ...["ghcr.io", "registry.k8s.io", "k8s.gcr.io", "gcr.io"],
  ...["docker.io", "registry-1.docker.io", "registry.test"],
];

/** A key and certificates, as files. */
export interface Certificate {
  readonly key: string;
  readonly certificate: string;
  /** What clients must trust. */
  readonly authority: string;
}

/** Makes an authority and, signed by it, a certificate for all names. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const at = (name: string): string => `${folder}/${name}`;
  const fresh = ["-newkey", "rsa:2048", "-nodes", "-days", "30"];
  await output([
    ...["openssl", "req", "-x509", ...fresh, "-subj", "/CN=conformance", "-keyout", at("ca.key")],
    ...["-out", at("ca.pem"), "-addext", "basicConstraints=critical,CA:TRUE"],
  ] as [string, ...string[]]);
  const names = REGISTRY_HOSTS.map((host) => `DNS:${host}`).join(",");
  await output([
    ...["openssl", "req", "-x509", ...fresh, "-subj", "/CN=registry", "-keyout", at("key.pem")],
    ...["-out", at("certificate.pem"), "-CA", at("ca.pem"), "-CAkey", at("ca.key")],
    ...["-addext", `subjectAltName=${names}`, "-addext", "basicConstraints=CA:FALSE"],
  ] as [string, ...string[]]);
  return { key: at("key.pem"), certificate: at("certificate.pem"), authority: at("ca.pem") };
}

/** A thing that can be asked for: manifest or blob. */
interface Item {
  readonly mediaType: string;
  readonly digest: string;
  readonly content: Uint8Array<ArrayBuffer>;
}

/** What stands under which path. Source: OCI distribution-spec, "Pull". */
export function pullPaths(images: readonly RegistryImage[]): ReadonlyMap<string, Item> {
  const paths = new Map<string, Item>();
  for (const { repository, tag, blobs } of images) {
    const base = `/v2/${repository}`;
    for (const name of [tag, blobs[0].digest]) paths.set(`${base}/manifests/${name}`, blobs[0]);
    for (const blob of blobs) paths.set(`${base}/blobs/${blob.digest}`, blob);
  }
  return paths;
}

/** Answers one request. */
export function answer(paths: ReadonlyMap<string, Item>, request: Request): Response {
  const { pathname } = new URL(request.url);
  if (pathname === "/v2/") return new Response("{}");
  const item = paths.get(pathname);
  if (item === undefined) return new Response("unknown", { status: 404 });
  const headers = {
    "Content-Type": item.mediaType,
    "Content-Length": `${item.content.length}`,
    "Docker-Content-Digest": item.digest,
  };
  return new Response(request.method === "HEAD" ? null : item.content, { headers });
}

/** Serves until it is disposed of. */
export async function serveRegistry(
  images: readonly RegistryImage[],
  { key, certificate }: Certificate,
): Promise<AsyncDisposable> {
  const paths = pullPaths(images);
  const [keyText, cert] = await Promise.all([key, certificate].map((it) => Deno.readTextFile(it)));
  const options = { hostname: REGISTRY_ADDRESS, port: 443, onListen: () => {} };
  const server = Deno.serve(
    { ...options, key: keyText ?? "", cert: cert ?? "" },
    (request) => answer(paths, request),
  );
  return { [Symbol.asyncDispose]: () => server.shutdown() };
}
