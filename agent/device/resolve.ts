/** Gives a container's device entries the numbers that the devices have in the guest. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { deviceNumbers } from "./device_numbers.ts";
import { findDisk } from "./disk.ts";

/** Members of Kata's Device message. */
export interface DeviceRequest {
  readonly id: string;
  readonly type: string;
  readonly vmPath: string;
  readonly containerPath: string;
}

/** An entry of `linux.devices`. */
export interface DeviceEntry {
  path: string;
  type: string;
  major?: number | bigint;
  minor?: number | bigint;
}

/** An entry of `linux.resources.devices`. */
export interface DeviceRule {
  allow: boolean;
  type?: string;
  major?: number | bigint;
  minor?: number | bigint;
  access?: string;
}

export interface ResolvedDevices<D extends DeviceEntry> {
  readonly devices: D[];
  readonly rules: DeviceRule[];
}

/**
 * Waits for each requested device, renumbers the entry with its container path, and allows it.
 * @throws {RuntimeError} InvalidArgument: no entry with that path. DeadlineExceeded: the device did not come.
 */
export async function resolveDevices<D extends DeviceEntry>(
  requests: readonly DeviceRequest[],
  entries: readonly D[],
  rules: readonly DeviceRule[],
): Promise<ResolvedDevices<D>> {
  const devices = [...entries];
  const allowed = [...rules];
  for (const request of requests) {
    const index = devices.findIndex(({ path }) => path === request.containerPath);
    const entry = devices[index];
    if (!entry) throw unmatched(request);
    const { major, minor } = await numbersOf(request);
    devices[index] = { ...entry, major, minor };
    allowed.push({ allow: true, type: entry.type, major, minor, access: "rwm" });
  }
  return { devices, rules: allowed };
}

async function numbersOf(request: DeviceRequest): Promise<{ major: number; minor: number }> {
  const path = await findDisk(request.type, request.vmPath || request.id);
  return deviceNumbers((await Deno.stat(path)).rdev ?? 0);
}

function unmatched(request: DeviceRequest): RuntimeError {
  return new RuntimeError(
    Code.InvalidArgument,
    `The specification has no device ${JSON.stringify(request.containerPath)}`,
  );
}
