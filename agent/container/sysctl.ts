/** Kernel settings of the guest itself. */
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";

/**
 * @returns The file of a setting, "net.ipv4.ip_forward" or with slashes.
 * @throws {RuntimeError} InvalidArgument: not a setting of the network.
 */
export function sysctlPath(key: string): string {
  const segments = key.split(/[./]/);
  const plain = segments.every((segment) => /^[A-Za-z0-9_@:-]+$/.test(segment));
  if (!plain || segments[0] !== "net" || segments.length < 2) {
    throw new RuntimeError(
      Code.InvalidArgument,
      `${JSON.stringify(key)} is not a network setting of the kernel`,
    );
  }
  return `/proc/sys/${segments.join("/")}`;
}

/** @throws {RuntimeError} InvalidArgument: unknown setting or refused value. */
export async function applySysctls(
  settings: Record<string, string>,
): Promise<void> {
  for (const [key, value] of Object.entries(settings)) {
    const path = sysctlPath(key);
    try {
      await Deno.writeTextFile(path, value, { create: false });
    } catch (error) {
      throw new RuntimeError(
        Code.InvalidArgument,
        `Cannot set ${key} to ${JSON.stringify(value)} in the guest: ${messageOf(error)}`,
      );
    }
  }
}
