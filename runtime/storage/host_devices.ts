import { Code, RuntimeError } from "../../common/base/errors.ts";

/** An entry of `linux.devices` that is a disk of the host. */
export interface HostBlockDevice {
  /** Where the container wants it. */
  readonly containerPath: string;
  readonly major: number;
  readonly minor: number;
  readonly readonly: boolean;
}

interface DeviceEntry {
  readonly path?: unknown;
  readonly type?: unknown;
  readonly major?: unknown;
  readonly minor?: unknown;
}

interface DeviceRule {
  readonly allow?: unknown;
  readonly type?: unknown;
  readonly major?: unknown;
  readonly minor?: unknown;
  readonly access?: unknown;
}

/**
 * The disks that a container is given one by one: named in `linux.devices`, and allowed by a rule of their own. A
 * privileged container, which may use all devices, does not get all disks of the host by that.
 */
export function hostBlockDevices(
  devices: readonly DeviceEntry[],
  rules: readonly DeviceRule[],
): HostBlockDevice[] {
  return devices.flatMap(({ path, type, major, minor }) => {
    if (type !== "b" || typeof path !== "string") return [];
    if (!isNumber(major) || !isNumber(minor)) return [];
    const own = rules.filter((rule) =>
      rule.allow === true && rule.type === "b" && rule.major === major && rule.minor === minor
    );
    if (own.length === 0) return [];
    const writable = own.some(({ access }) => typeof access === "string" && access.includes("w"));
    return [{ containerPath: path, major, minor, readonly: !writable }];
  });
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/**
 * The host's file of a block device by its numbers.
 * @throws {RuntimeError} NotFound: the host has no such device, or no file of it.
 */
export function blockDevicePath({ major, minor }: { major: number; minor: number }): string {
  const sys = `/sys/dev/block/${major}:${minor}/uevent`;
  try {
    const name = /^DEVNAME=(.+)$/m.exec(Deno.readTextFileSync(sys))?.[1];
    if (name !== undefined && Deno.statSync(`/dev/${name}`).isBlockDevice) return `/dev/${name}`;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw new RuntimeError(
    Code.NotFound,
    `Cannot find the block device ${major}:${minor} on the host`,
  );
}
