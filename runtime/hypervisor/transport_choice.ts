import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { Transport } from "./capabilities.ts";

/** What the host offers; see {@linkcode Transport}. */
export interface TransportFacts {
  /** Transports that the VMM can do. */
  readonly supported: readonly Transport[];
  /** /dev/vhost-vsock can be opened. */
  readonly vhostVsock: boolean;
  /** The program that serves AF_VSOCK over vhost-user, if it was found. */
  readonly vhostDeviceVsock: string | undefined;
}

/**
 * Best first: the kernel's vsock needs no helper and no sharing of memory; serial has shorter round trips and more
 * throughput than vsock through a helper process, and needs none.
 */
const ORDER: readonly Transport[] = ["vsock", "serial", "hybrid-vsock"];

/**
 * Picks the transport.
 * @throws {RuntimeError} FailedPrecondition: what the configuration forces cannot be had here; names the key.
 */
export function chooseTransport(wanted: Transport | "auto", facts: TransportFacts): Transport {
  if (wanted !== "auto") {
    const problem = whyNot(wanted, facts);
    if (problem === undefined) return wanted;
    throw new RuntimeError(Code.FailedPrecondition, `transport = "${wanted}": ${problem}`);
  }
  const best = ORDER.find((transport) => whyNot(transport, facts) === undefined);
  if (best) return best;
  throw new RuntimeError(
    Code.FailedPrecondition,
    `transport = "auto": none of ${ORDER.join(", ")} is available`,
  );
}

function whyNot(transport: Transport, facts: TransportFacts): string | undefined {
  if (!facts.supported.includes(transport)) return "this VMM does not support it";
  if (transport === "vsock" && !facts.vhostVsock) {
    return "/dev/vhost-vsock cannot be opened (is the vhost_vsock module loaded?)";
  }
  if (transport === "hybrid-vsock" && facts.vhostDeviceVsock === undefined) {
    return "the program vhost-device-vsock was not found (set vhost_device_vsock)";
  }
  return undefined;
}
