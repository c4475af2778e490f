import { messageOf } from "../../../common/base/errors.ts";

/** A system's error as Go, and so runc, words it. */
export function systemText(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file or directory";
  if (error instanceof Deno.errors.NotADirectory) return "not a directory";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return messageOf(error);
}
