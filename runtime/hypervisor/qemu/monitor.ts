import { Code, RuntimeError } from "../../../common/base/errors.ts";
import { type MonitorConnection, QmpClient, type QmpOpening } from "./qmp.ts";
import { MIN_QEMU_VERSION } from "./options.ts";
import type { QemuVersion } from "./qmp_message.ts";

/** QEMU needs about 60 ms until its monitor answers; on a host with ten starting at once, seconds. */
const GREETING_MS = 20_000;

/**
 * Begins the conversation with QEMU's monitor; the connection is owned by the result, or closed.
 * @throws {RuntimeError} FailedPrecondition: QEMU is too old. Unavailable or DeadlineExceeded: it does not answer.
 */
export async function openMonitor(
  connection: MonitorConnection,
  signal: AbortSignal,
  opening: QmpOpening = {},
): Promise<QmpClient> {
  const qmp = await QmpClient.open(connection, GREETING_MS, signal, opening);
  try {
    requireVersion(await qmp.version());
    return qmp;
  } catch (error) {
    qmp.close();
    throw error;
  }
}

/** @throws {RuntimeError} FailedPrecondition: older than {@linkcode MIN_QEMU_VERSION}. */
export function requireVersion({ major, minor }: QemuVersion): void {
  const { major: minMajor, minor: minMinor } = MIN_QEMU_VERSION;
  if (major > minMajor || (major === minMajor && minor >= minMinor)) return;
  throw new RuntimeError(
    Code.FailedPrecondition,
    `QEMU ${major}.${minor} is too old: ${minMajor}.${minMinor} or later is needed`,
  );
}

/** Reads what `qemu --version` prints. @returns `undefined` when it is not what QEMU prints. */
export function parseVersion(text: string): QemuVersion | undefined {
  const match = /\bversion (\d{1,4})\.(\d{1,4})/.exec(text);
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : undefined;
}
