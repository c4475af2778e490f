/** What the shim takes from its environment. */
export interface ShimEnvironment {
  /** containerd's socket for events; empty under CRI-O. */
  readonly ttrpcAddress: string;
  /** When the `start` that spawned this server began, on the monotonic clock in milliseconds. */
  readonly startedMs: number | undefined;
}

/** The variable by which `start` tells its server when it began. */
export const STARTED_VARIABLE = "KATA_SHIM_STARTED_MS";

/** Reads the variables; whatever is unusable counts as absent. */
export function shimEnvironment(get: (name: string) => string | undefined): ShimEnvironment {
  const started = Number(get(STARTED_VARIABLE));
  return {
    ttrpcAddress: get("TTRPC_ADDRESS") ?? "",
    startedMs: Number.isFinite(started) && started > 0 ? started : undefined,
  };
}
