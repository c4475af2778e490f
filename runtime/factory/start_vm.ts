import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { VERSION } from "../../common/base/version.ts";
import type { AgentLink } from "../agent_client/agent_link.ts";
import type { RuntimeConfig } from "../config/config.ts";
import type { Capabilities } from "../hypervisor/capabilities.ts";
import type { Device } from "../hypervisor/device.ts";
import type { Hypervisor, Vm, VmResources, VmSpec } from "../hypervisor/hypervisor.ts";
import { type TemplateKey, templateKey } from "./template_key.ts";
import { TemplateStore } from "./template_store.ts";

/** A VM, and where it came from. */
export interface StartedVm {
  readonly vm: Vm;
  /** What it has now: a clone begins as large as its template, and grows with its containers. */
  readonly size: VmResources;
  /** The connection to its agent, where that has answered already. */
  readonly link?: AgentLink;
  /** It began as a clone, and must be renewed before it is used. */
  readonly cloned: boolean;
  /** To be called when the clone proves to be of no use: nobody shall be cloned from its template again. */
  readonly blameTemplate?: () => Promise<void>;
  /** It could have been a clone, had there been a template. */
  readonly wantsTemplate: boolean;
}

/** Where templates are, and whether they are used. */
export type FactoryConfig = Pick<RuntimeConfig, "factory" | "hypervisor" | "runtime">;

/** A VM that is to start. */
export interface WantedVm {
  readonly spec: VmSpec;
  /** The size of VMs that run nothing yet, and so of templates. */
  readonly base: VmResources;
}

/** Why this VM can be no clone, whatever templates there are; `undefined` when it can. */
export function whyNotCloned(
  { factory, hypervisor: settings, runtime }: FactoryConfig,
  { name, capabilities }: Pick<Hypervisor, "name" | "capabilities">,
  { spec, base }: WantedVm,
): string | undefined {
  if (!factory.enableTemplate) return "enable_template is off";
  const byHelper = capabilities.transports.length > 1;
  if (byHelper && settings.transport === "hybrid-vsock") return NEEDS_SHARED_MEMORY;
  if (settings.enableMemPrealloc) return "enable_mem_prealloc wants all memory at once";
  if (settings.enableHugepages) return "enable_hugepages wants memory of another kind";
  if (!capabilities.template) return `${name} as it is set up here cannot clone VMs`;
  const { born, cards } = parted(spec, capabilities);
  const resizable = !runtime.staticSandboxResourceMgmt && capabilities.resize && spec.memorySlots;
  if (!resizable && !sameSize(spec, base)) return "it is larger than the template, and cannot grow";
  if (cards.length > MAX_CARDS) return `it has ${cards.length} network cards`;
  if (cards.length > 0 && !capabilities.hotPlug.includes("net")) {
    return `${name} cannot plug a network card into a clone`;
  }
  const other = born.find(({ kind }) => kind !== "share-9p");
  return other && `a clone cannot have a ${other.kind} device from the start`;
}

function sameSize(a: VmResources, b: VmResources): boolean {
  return a.vcpus === b.vcpus && a.memoryMiB === b.memoryMiB;
}

/** Slots of a template for cards that its clones get once they run. */
const MAX_CARDS = 1;

/** A clone is born with what its template has; a card of the pod's, and a share where the VMM can, are plugged in. */
function parted(
  spec: VmSpec,
  { hotPlug }: Pick<Capabilities, "hotPlug">,
): Record<"born" | "cards" | "shares", readonly Device[]> {
  const of = (kind: Device["kind"]): Device[] => spec.devices.filter((each) => each.kind === kind);
  const shares = hotPlug.includes("share-virtio-fs") ? of("share-virtio-fs") : [];
  const cards = of("net"), later = [...cards, ...shares];
  return { born: spec.devices.filter((each) => !later.includes(each)), cards, shares };
}

/** The VM that a template is made of: without what its clones get once they run. */
export function templateOf(spec: VmSpec, capabilities: Pick<Capabilities, "hotPlug">): VmSpec {
  return { ...spec, devices: parted(spec, capabilities).born };
}

const NEEDS_SHARED_MEMORY =
  `transport = "hybrid-vsock" shares the guest's memory with another process`;

/**
 * Starts a VM, as a clone where that can be: a template that is missing or fails costs nothing but time.
 * @throws {RuntimeError} As the hypervisor's `start`.
 */
export async function startVm(
  config: FactoryConfig,
  hypervisor: Hypervisor,
  wanted: WantedVm,
  signal: AbortSignal,
): Promise<StartedVm> {
  const { spec } = wanted;
  const cold = async (wantsTemplate: boolean): Promise<StartedVm> => {
    return { vm: await hypervisor.start(spec, signal), size: spec, cloned: false, wantsTemplate };
  };
  const why = whyNotCloned(config, hypervisor, wanted);
  if (why !== undefined) {
    log.debug("Sandbox starts cold", { sandbox: spec.id, why });
    return await cold(false);
  }
  const cloned = await startClone(config, hypervisor, wanted, signal);
  if (typeof cloned !== "string") return cloned;
  log.info("Sandbox starts cold", { sandbox: spec.id, why: cloned });
  return await cold(true);
}

/** What the VM is as a clone, and the template that it is a clone of. */
export async function cloneOf(
  { hypervisor: settings }: Pick<FactoryConfig, "hypervisor">,
  { capabilities }: Pick<Hypervisor, "capabilities">,
  { spec, base }: WantedVm,
): Promise<TemplateKey & { readonly clone: VmSpec }> {
  const clone = templateOf({ ...spec, ...base }, capabilities);
  return { clone, ...await templateKey(settings, clone, VERSION) };
}

/** Starts a VM that can be a clone as one. @returns Why there is none, where its template is missing or fails. */
export async function startClone(
  config: FactoryConfig,
  hypervisor: Hypervisor,
  wanted: WantedVm,
  signal: AbortSignal,
): Promise<StartedVm | string> {
  const store = new TemplateStore(config.factory.templatePath), { base: size } = wanted;
  try {
    const { cards, shares } = parted(wanted.spec, hypervisor.capabilities);
    const { clone, key, about } = await cloneOf(config, hypervisor, wanted);
    const template = await store.open(key);
    if (typeof template === "string") return `${template} (${about})`;
    const { memory, state } = template;
    const files = { role: "clone", memory, state } as const;
    await using undo = new AsyncDisposableStack();
    const vm = undo.use(await hypervisor.start({ ...clone, template: files }, signal));
    for (const device of [...shares, ...cards]) await vm.attach(device);
    undo.move();
    const blameTemplate = () => store.remove(key);
    return { vm, blameTemplate, size, cloned: true, wantsTemplate: false };
  } catch (error) {
    signal.throwIfAborted();
    return `its template cannot be cloned: ${messageOf(error)}`;
  }
}
