/** Fits the devices of a specification that was written for the host to what this guest has. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { deviceNumbers } from "./device_numbers.ts";
import type { DeviceEntry, DeviceRule, ResolvedDevices } from "./resolve.ts";

/** Character devices that have the same numbers on every Linux. Source: Documentation/admin-guide/devices.txt. */
const FIXED_MAJORS: ReadonlySet<number> = new Set([1, 5, 136, 137, 138, 139, 140, 141, 142, 143]);
const MISC_MAJOR = 10;
/** From here on miscellaneous devices get their minor numbers as they come. */
const MISC_DYNAMIC = 240;

/** Device numbers; -1 where there is none. */
interface Numbers {
  readonly major: number;
  readonly minor: number;
}

/** What this guest has. */
export interface GuestDevices {
  /** The device file of that path, if it is one of that kind ("c" or "b"). */
  atPath(path: string, kind: string): Promise<Numbers | undefined>;
  /** Whether there is a device of these numbers. */
  has(kind: string, numbers: Numbers): Promise<boolean>;
}

function numbersOf(
  { major, minor }: { major?: number | bigint; minor?: number | bigint },
): Numbers {
  return { major: Number(major ?? -1), minor: Number(minor ?? -1) };
}

/** "u" is another name for "c"; FIFOs have no numbers. */
function kindOf(type: string | undefined): string {
  return type === "u" ? "c" : type ?? "a";
}

function isFixed(kind: string, { major, minor }: Numbers): boolean {
  if (kind !== "c") return false;
  if (major === MISC_MAJOR) return minor >= 0 && minor < MISC_DYNAMIC;
  return FIXED_MAJORS.has(major);
}

/**
 * A container that may use every character device is one that the engine calls privileged: it lists all of the host's.
 * (Of disks it never gets all: the host leaves that out.) Leave to make any node, as Docker gives, is less.
 */
export function isPrivileged(rules: readonly DeviceRule[]): boolean {
  return rules.some((rule) => {
    const { major, minor } = numbersOf(rule);
    const all = ["a", "c"].includes(kindOf(rule.type)) && major < 0 && minor < 0;
    return rule.allow && all && /r.*w|w.*r/.test(rule.access ?? "");
  });
}

async function guestNumbers(entry: DeviceEntry, guest: GuestDevices): Promise<Numbers | undefined> {
  const kind = kindOf(entry.type), numbers = numbersOf(entry);
  if (kind === "p") return numbers;
  const same = isFixed(kind, numbers) && await guest.has(kind, numbers);
  return same ? numbers : await guest.atPath(entry.path, kind);
}

function refused({ path, type, major, minor }: DeviceEntry): RuntimeError {
  return new RuntimeError(
    Code.InvalidArgument,
    `The VM has no device ${JSON.stringify(path)} (${type} ${major}:${minor})`,
  );
}

function matches(rule: DeviceRule, entry: DeviceEntry): boolean {
  const a = numbersOf(rule), b = numbersOf(entry);
  const sameKind = kindOf(rule.type) === "a" || kindOf(rule.type) === kindOf(entry.type);
  return sameKind && a.major === b.major && a.minor === b.minor;
}

/** Rules name devices by the host's numbers: those of an entry get its guest's, others stay where numbers are fixed. */
function fitRule(
  rule: DeviceRule,
  entries: readonly { readonly host: DeviceEntry; readonly guest: Numbers | undefined }[],
): DeviceRule[] {
  const numbers = numbersOf(rule);
  if (numbers.major < 0) return [rule];
  const entry = entries.find(({ host }) => matches(rule, host));
  if (entry) return entry.guest ? [{ ...rule, ...entry.guest }] : [];
  return !rule.allow || isFixed(kindOf(rule.type), numbers) ? [rule] : [];
}

/**
 * Gives every entry the numbers of the guest's own device: the same ones where they are fixed, otherwise those of the
 * device file of that path. What a privileged container lists and the guest lacks is left out: it stands for "all
 * that there are".
 * @throws {RuntimeError} InvalidArgument: a device that was asked for by itself is not there.
 */
export async function fitDevices<D extends DeviceEntry>(
  entries: readonly D[],
  rules: readonly DeviceRule[],
  guest: GuestDevices = THIS_GUEST,
): Promise<ResolvedDevices<D>> {
  const lenient = isPrivileged(rules);
  const fitted = await Promise.all(
    entries.map(async (host) => ({ host, guest: await guestNumbers(host, guest) })),
  );
  const devices = fitted.flatMap(({ host, guest }) => {
    if (guest) return [kindOf(host.type) === "p" ? host : { ...host, ...guest }];
    if (lenient) return [];
    throw refused(host);
  });
  return { devices, rules: rules.flatMap((rule) => fitRule(rule, fitted)) };
}

const THIS_GUEST: GuestDevices = {
  async atPath(path, kind) {
    try {
      const { rdev, isCharDevice, isBlockDevice } = await Deno.stat(path);
      const right = kind === "b" ? isBlockDevice : isCharDevice;
      return right && path.startsWith("/dev/") ? deviceNumbers(rdev ?? 0) : undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  },
  async has(kind, { major, minor }) {
    const folder = kind === "b" ? "block" : "char";
    try {
      await Deno.stat(`/sys/dev/${folder}/${major}:${minor}`);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return major === 1 || major === 5; // memory and ttys: always there
      throw error;
    }
  },
};
