import { Code, RuntimeError } from "../../common/base/errors.ts";

export interface VmmVersion {
  readonly major: number;
  readonly minor: number;
}

/** Whether one release is as young as another, or younger. */
export function isAtLeast(version: VmmVersion, least: VmmVersion): boolean {
  return version.major > least.major ||
    (version.major === least.major && version.minor >= least.minor);
}

/**
 * Reads what a VMM says of itself, such as `v40.0.0` or `1.14.0-dev`.
 * @param answer Its answer's JSON, with the version in `field`.
 * @throws {RuntimeError} FailedPrecondition: older than `least`, or not this VMM at all.
 */
export function requireVmmVersion(
  vmm: string,
  answer: unknown,
  field: string,
  least: VmmVersion,
): VmmVersion {
  const fields = typeof answer === "object" && answer !== null ? Object.entries(answer) : [];
  const text = String(fields.find(([name]) => name === field)?.[1] ?? "");
  const [, major, minor] = /^v?(\d{1,4})\.(\d{1,4})/.exec(text) ?? [];
  const version = { major: Number(major ?? -1), minor: Number(minor ?? -1) };
  if (isAtLeast(version, least)) return version;
  throw new RuntimeError(
    Code.FailedPrecondition,
    `${vmm} ${
      JSON.stringify(text.slice(0, 40))
    } is too old: ${least.major}.${least.minor} or later is needed`,
  );
}
