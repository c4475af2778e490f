import type { VmmName } from "./schema/key.ts";
import type {
  AgentValues,
  FactoryValues,
  HypervisorValues,
  RuntimeValues,
} from "./schema/schema.ts";

/** The selected VMM's table. `path`, `kernel` and one of `initrd` and `image` are filled in. */
export type HypervisorConfig = HypervisorValues & { readonly name: VmmName };

/** `[agent.kata]` */
export type AgentConfig = AgentValues & { readonly name: "kata" };

/**
 * The configuration in force: deeply frozen plain data. Names are the keys' in camelCase; units are the keys'
 * (`defaultMemory` in MiB, `dialTimeout` in seconds), as `config.toml` states them.
 */
export interface RuntimeConfig {
  /** Files it was read from, in order; none for the built-in defaults. */
  readonly sources: readonly string[];
  /** What the administrator should hear: keys that were set and have no effect yet. */
  readonly warnings: readonly string[];
  readonly hypervisor: HypervisorConfig;
  readonly agent: AgentConfig;
  readonly runtime: RuntimeValues;
  readonly factory: FactoryValues;
}
