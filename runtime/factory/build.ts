import { exists } from "../../common/base/exists.ts";
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { connectAgent } from "../agent_client/agent_link.ts";
import type { Hypervisor, Vm, VmSpec } from "../hypervisor/hypervisor.ts";
import type { TemplateKey } from "./template_key.ts";
import type { TemplateManifest } from "./template_manifest.ts";
import type { Draft, TemplateStore } from "./template_store.ts";
import { warmUp } from "./warm_up.ts";

/** How often it is looked whether the guest still gives memory back; it does so every two seconds. */
const SETTLE_MS = 2_500;
const MAX_SETTLE_ROUNDS = 6;
/** Less than 4 MiB given back in one round: it is over. */
const SETTLED_BLOCKS = 8 * 1024;

/** What is built. */
export interface TemplateOrder {
  readonly hypervisor: Hypervisor;
  /** As {@linkcode templateKey} was asked. */
  readonly spec: VmSpec;
  readonly key: TemplateKey;
}

/**
 * Boots a VM, lets its agent run a container, and saves it. The store's lock must be held.
 * @throws {RuntimeError} Nothing is left then but a note of the failure.
 */
export async function buildTemplate(
  store: TemplateStore,
  order: TemplateOrder,
  signal: AbortSignal,
): Promise<TemplateManifest> {
  const { key, about } = order.key;
  const draft = await store.begin(key);
  try {
    await save(order, draft, signal);
    return await store.publish(draft, about);
  } catch (error) {
    await store.abandon(draft);
    await store.noteFailure(key, messageOf(error));
    throw error;
  }
}

async function save(
  { hypervisor, spec }: TemplateOrder,
  draft: Draft,
  signal: AbortSignal,
): Promise<void> {
  await using vm = await hypervisor.start(originSpec(spec, draft), signal);
  const ended = new AbortController();
  vm.exited.then(({ reason }) => ended.abort(new RuntimeError(Code.Unavailable, reason)));
  const limited = AbortSignal.any([signal, ended.signal]);
  await makeReady(vm, limited);
  await settle(draft.memory, limited);
  if (!vm.saveTemplate) throw new TypeError(`${hypervisor.name} cannot save VMs`);
  await vm.saveTemplate(limited);
}

/** The VM that is saved: its share is an empty folder, which no clone will see. */
function originSpec(spec: VmSpec, { folder, memory, state }: Draft): VmSpec {
  const devices = spec.devices.map((device) =>
    device.kind === "share-9p" ? { ...device, path: `${folder}/share` } : device
  );
  const template = { role: "origin", memory, state } as const;
  return { ...spec, id: "template", stateDir: folder, devices, template };
}

async function makeReady(vm: Vm, signal: AbortSignal): Promise<void> {
  using link = await connectAgent(vm.address, signal);
  await warmUp(link, signal);
  log.debug("A template's guest is ready", { pid: vm.pid });
}

/**
 * Waits until the guest has given back the memory that its boot took: every clone would map it. Where the VMM writes
 * memory only when it saves, nobody can tell.
 */
async function settle(memory: string, signal: AbortSignal): Promise<void> {
  if (!exists(memory)) return;
  let before = Infinity;
  for (let round = 0; round < MAX_SETTLE_ROUNDS; round++) {
    const { blocks } = await Deno.stat(memory);
    if (before - (blocks ?? 0) < SETTLED_BLOCKS) return;
    before = blocks ?? 0;
    await pause(SETTLE_MS, signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}
