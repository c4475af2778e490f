import { Code, RuntimeError } from "../../base/errors.ts";

/** First release of Deno whose HTTP/2 works over streams other than TCP. */
const FIRST_RELEASE = [2, 7, 14] as const;

/** Whether a release of Deno can carry gRPC over vsock, serial channels and Unix sockets. */
export function supportsGrpc(release: string = Deno.version.deno): boolean {
  const parts = release.split(".").map((part) => parseInt(part, 10));
  for (const [at, least] of FIRST_RELEASE.entries()) {
    const part = parts[at] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}

/** @throws {RuntimeError} Unimplemented: this program was built with a Deno that cannot. */
export function requireGrpc(release: string = Deno.version.deno): void {
  if (supportsGrpc(release)) return;
  throw new RuntimeError(
    Code.Unimplemented,
    `Cannot speak gRPC: this program was built with Deno ${release}, whose HTTP/2 works over TCP only; ` +
      `${FIRST_RELEASE.join(".")} or later is needed. ttrpc offers the same calls`,
  );
}
