import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { QmpClient } from "./qmp.ts";
import type { QmpEvent } from "./qmp_message.ts";

/** How long a guest may take to let go of a device (0.1 s by ACPI, 6 s by native PCIe hot-plug). */
const UNPLUG_MS = 10_000;

/** What QEMU tells when the guest refuses; by the first name before 6.2. Source: QEMU, qapi/machine.json, qapi/qdev.json. */
const REFUSALS: ReadonlySet<string> = new Set(["MEM_UNPLUG_ERROR", "DEVICE_UNPLUG_GUEST_ERROR"]);

/**
 * Takes a device out of the running VM once the guest has let go of it.
 * @throws {RuntimeError} FailedPrecondition: the guest refuses. DeadlineExceeded: it does not let go.
 */
export async function unplug(qmp: QmpClient, id: string): Promise<void> {
  const aboutIt = ({ name, data }: QmpEvent): boolean =>
    data.device === id && (name === "DEVICE_DELETED" || REFUSALS.has(name));
  const told = qmp.nextEvent(aboutIt, AbortSignal.timeout(UNPLUG_MS));
  told.catch(() => {}); // device_del may fail first
  await qmp.execute("device_del", { id });
  const { name } = await told.catch((cause) => Promise.reject(unplugError(id, cause)));
  if (name === "DEVICE_DELETED") return;
  throw new RuntimeError(Code.FailedPrecondition, `The guest refuses to let go of ${id}`);
}

function unplugError(id: string, cause: unknown): RuntimeError {
  if (cause instanceof RuntimeError) return cause;
  return new RuntimeError(
    Code.DeadlineExceeded,
    `The guest did not let go of ${id} within ${UNPLUG_MS} ms`,
    { cause },
  );
}
