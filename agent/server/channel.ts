/** Which way the host comes. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { GuestChannel } from "../../common/protocol/transport/listener.ts";
import { findSerialPort } from "../../common/protocol/transport/serial/port.ts";
import type { AgentTransport } from "./options.ts";

/**
 * The channel that the host named; otherwise the agent's serial port where there is one, or vsock.
 * @throws {RuntimeError} FailedPrecondition: the host named serial, but plugged no such port.
 */
export async function findChannel(wanted: AgentTransport | undefined): Promise<GuestChannel> {
  if (wanted === "vsock") return { kind: "vsock" };
  const path = await findSerialPort();
  if (path !== undefined) return { kind: "serial", path };
  if (wanted === undefined) return { kind: "vsock" };
  throw new RuntimeError(
    Code.FailedPrecondition,
    "The guest has no virtio-serial port for the agent",
  );
}
