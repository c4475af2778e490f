import { Code, RuntimeError } from "../../../common/base/errors.ts";

/** Where a stream leads. Source: containerd's cio.LogURI and the shim's pkg/process/io.go. */
export type StreamTarget =
  | { readonly kind: "null" }
  | { readonly kind: "fifo"; readonly path: string }
  | { readonly kind: "file"; readonly path: string }
  | {
    readonly kind: "binary";
    readonly path: string;
    readonly args: readonly string[];
  };

/** Linux's PATH_MAX. */
const MAX_PATH_LENGTH = 4096;

function checkPath(path: string, uri: string): string {
  if (
    path.startsWith("/") && path.length <= MAX_PATH_LENGTH &&
    !path.includes("\0")
  ) return path;
  throw new RuntimeError(
    Code.InvalidArgument,
    `Cannot use "${uri.slice(0, 200)}" as a stream: its path is not absolute`,
  );
}

function decodePath(url: URL): string {
  try {
    return decodeURIComponent(url.pathname);
  } catch {
    return ""; // a lone percent sign: no path at all
  }
}

/** A binary logger's arguments: each query parameter gives its key, then its value when it has one. */
function binaryArguments(query: URLSearchParams): string[] {
  return [...query].flatMap(([key, value]) => value === "" ? [key] : [key, value]);
}

/**
 * Parses what a request names as stdin, stdout or stderr: empty, a plain path, or a URI.
 * @throws {RuntimeError} InvalidArgument, naming the text.
 */
export function parseStreamUri(uri: string): StreamTarget {
  if (uri === "") return { kind: "null" };
  if (uri.startsWith("/")) return { kind: "fifo", path: checkPath(uri, uri) };
  let url: URL;
  try {
    url = new URL(uri);
  } catch (cause) {
    throw new RuntimeError(
      Code.InvalidArgument,
      `Cannot use "${uri.slice(0, 200)}" as a stream`,
      { cause },
    );
  }
  const path = checkPath(decodePath(url), uri);
  switch (url.protocol) {
    case "fifo:":
      return { kind: "fifo", path };
    case "file:":
      return { kind: "file", path };
    case "binary:":
      return { kind: "binary", path, args: binaryArguments(url.searchParams) };
    default:
      throw new RuntimeError(
        Code.InvalidArgument,
        `Cannot use "${uri.slice(0, 200)}" as a stream: unknown scheme`,
      );
  }
}
