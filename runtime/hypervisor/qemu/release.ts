import { messageOf } from "../../../common/base/errors.ts";
import { run } from "../../../common/linux/subprocess.ts";
import { keptFact } from "./kept_fact.ts";
import { parseVersion, requireVersion } from "./monitor.ts";
import { MIN_QEMU_VERSION, type QemuOptions } from "./options.ts";
import type { QemuVersion } from "./qmp_message.ts";

/** How long QEMU may take to say its release; it takes 20 ms. */
const SAY_MS = 1500;

/** First release with something that the driver uses where it is there. Source: QEMU's git history. */
const SINCE = {
  /** The device that tells of a guest's panic, on PCI; before, on ISA alone. */
  "pvpanic-pci": [6, 0],
  /** Members of an object that is added are not nested. */
  "flat objects": [6, 0],
  /** Memory for which the host sets nothing aside. */
  "memory without reserve": [6, 1],
  /** `-machine i8042=`: a PC without keyboard controller. */
  "machine i8042": [7, 1],
  /** `-machine pic=` of a PC. */
  "machine pic": [7, 1],
} as const satisfies Record<string, readonly [number, number]>;

export type QemuFeature = keyof typeof SINCE;

/** Whether a release has it. */
export function has({ major, minor }: QemuVersion, feature: QemuFeature): boolean {
  const [sinceMajor, sinceMinor] = SINCE[feature];
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor);
}

/**
 * The release of the configured QEMU, which is asked once until the host reboots or the program changes. One that does
 * not say it counts as the oldest: if it is no QEMU at all, its start tells.
 * @throws {RuntimeError} FailedPrecondition: too old.
 */
export async function qemuRelease(
  { path, cacheDir }: Pick<QemuOptions, "path" | "cacheDir">,
): Promise<QemuVersion> {
  const text = await keptFact("qemu-release", { path, cacheDir }, isRelease, () => ask(path));
  const version = parseVersion(`version ${text}`) ?? MIN_QEMU_VERSION;
  requireVersion(version);
  return version;
}

function isRelease(text: string): text is `${number}.${number}` {
  return /^\d{1,4}\.\d{1,4}$/.test(text);
}

async function ask(path: string): Promise<string | undefined> {
  const { stdout } = await run([path, "--version"], { timeoutMs: SAY_MS, maxOutputBytes: 65536 })
    .catch((error) => ({ stdout: messageOf(error) }));
  const version = parseVersion(stdout);
  return version && `${version.major}.${version.minor}`;
}
