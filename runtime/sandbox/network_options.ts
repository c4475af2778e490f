import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { RuntimeConfig } from "../config/load.ts";
import type { Capabilities } from "../hypervisor/capabilities.ts";
import type { NetworkOptions } from "../network/sandbox_network.ts";
import { type BundleConfig, networkNamespaceOf } from "./bundle.ts";

/** More queues than virtual CPUs would have nobody to serve them. */
function queuesOf({ networkQueues, defaultVcpus }: RuntimeConfig["hypervisor"]): number {
  return Math.max(1, Math.min(networkQueues, Math.ceil(defaultVcpus)));
}

/**
 * The network that configuration and bundle ask for.
 * @param key The sandbox's.
 * @param capabilities The VMM's.
 * @throws {RuntimeError} InvalidArgument: keys that contradict each other.
 */
export function networkOptions(
  { hypervisor, runtime }: RuntimeConfig,
  bundle: BundleConfig,
  key: string,
  { tapBy, limitsNets = false }: Capabilities,
): NetworkOptions {
  const { internetworkingModel: model, disableNewNetns } = runtime;
  if (disableNewNetns && model !== "none") {
    throw new RuntimeError(
      Code.InvalidArgument,
      `disable_new_netns = true: a VMM outside of the pod's network needs internetworking_model = "none", not "${model}"`,
    );
  }
  return {
    model,
    key,
    tapBy,
    netnsPath: networkNamespaceOf(bundle.json),
    queues: queuesOf(hypervisor),
    vhost: !hypervisor.disableVhostNet,
    receiveBitsPerSecond: limitsNets ? 0 : hypervisor.rxRateLimiterMaxRate,
    sendBitsPerSecond: limitsNets ? 0 : hypervisor.txRateLimiterMaxRate,
  };
}
