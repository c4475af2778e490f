import { AGENT, MEM_AGENT_SECTION } from "./agent.ts";
import { FACTORY, HYPERVISOR_FACTORY } from "./factory.ts";
import { HYPERVISOR_BOOT } from "./hypervisor_boot.ts";
import { HYPERVISOR_DEVICE } from "./hypervisor_device.ts";
import { HYPERVISOR_MEMORY } from "./hypervisor_memory.ts";
import { HYPERVISOR_STORAGE } from "./hypervisor_storage.ts";
import type { Section, SectionName, Values } from "./key.ts";
import { RUNTIME } from "./runtime.ts";

/** `[hypervisor.<vmm>]`: one schema; a key's `only` says which VMMs know it. */
export const HYPERVISOR = {
  ...HYPERVISOR_BOOT,
  ...HYPERVISOR_MEMORY,
  ...HYPERVISOR_STORAGE,
  ...HYPERVISOR_DEVICE,
} as const;

/** Every key of every section. Source of names and defaults: Kata Containers 4.1's shipped configurations. */
export const SCHEMA: Readonly<Record<SectionName, Section>> = {
  "hypervisor": HYPERVISOR,
  "hypervisor.factory": HYPERVISOR_FACTORY,
  "factory": FACTORY,
  "agent": AGENT,
  "agent.mem_agent": MEM_AGENT_SECTION,
  "runtime": RUNTIME,
};

export type HypervisorValues = Values<typeof HYPERVISOR>;
export type AgentValues = Values<typeof AGENT>;
export type RuntimeValues = Values<typeof RUNTIME>;
export type FactoryValues = Values<typeof FACTORY>;
