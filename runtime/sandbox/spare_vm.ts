import { Code, RuntimeError } from "../../common/base/errors.ts";
import { type AgentLink, connectAgent } from "../agent_client/agent_link.ts";
import type { RuntimeConfig } from "../config/config.ts";
import {
  cloneOf,
  startClone,
  type StartedVm,
  type WantedVm,
  whyNotCloned,
} from "../factory/start_vm.ts";
import { warmUp } from "../factory/warm_up.ts";
import type { Net } from "../hypervisor/device.ts";
import { createHypervisor } from "../hypervisor/drivers.ts";
import type { Hypervisor, Vm, VmResources } from "../hypervisor/hypervisor.ts";
import { NetworkNamespace } from "../network/namespace.ts";
import { CopiedFiles } from "../share_fs/copied_files.ts";
import { createShareFs } from "../share_fs/drivers.ts";
import type { ShareFs } from "../share_fs/share_fs.ts";
import { SpareRecord } from "./spare_record.ts";
import { NO_WORKLOAD } from "./template_spec.ts";
import { baseSize } from "./vm_size.ts";
import { vmSpecOf } from "./vm_spec.ts";

/** How often a spare VM's agent runs a container: what is run again and again is compiled for good. */
const WARM_UPS = 3;

/** What a spare VM consists of. */
interface Parts {
  readonly record: SpareRecord;
  readonly share: ShareFs;
  readonly vm: Vm;
  readonly link: AgentLink;
  readonly size: VmResources;
  readonly template: string;
}

/**
 * A clone that was started before anybody wanted it: its agent has answered and run a container, and it was paused
 * then. It becomes the VM of one sandbox.
 */
export class SpareVm implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #undo: AsyncDisposableStack;
  #given = false;

  private constructor(parts: Parts, undo: AsyncDisposableStack) {
    this.#parts = parts;
    this.#undo = undo;
  }

  /** @throws {RuntimeError} FailedPrecondition: this configuration has no spare VMs, and why. Nothing is left then. */
  static async start(config: RuntimeConfig, signal: AbortSignal): Promise<SpareVm> {
    await using undo = new AsyncDisposableStack();
    const hypervisor = createHypervisor(config.hypervisor);
    const record = undo.use(new SpareRecord(hypervisor.name));
    const share = undo.use(shareOf(config, record));
    await share.prepare();
    using namespace = NetworkNamespace.make(); // the VMM lives in it, and gets its cards by descriptor
    const wanted = wantedVm(config, hypervisor, record, share, namespace);
    const why = whyNot(config, hypervisor, share, wanted);
    if (why !== undefined) throw new RuntimeError(Code.FailedPrecondition, why);
    const started = await startClone(config, hypervisor, wanted, signal);
    if (typeof started === "string") throw new RuntimeError(Code.FailedPrecondition, started);
    const { vm, size } = started;
    undo.use(vm);
    record.save(vm.saved);
    const link = undo.use(await connectAgent(vm.address, signal));
    for (let round = 0; round < WARM_UPS; round++) {
      await warmUp(link, signal, share.storages);
    }
    await vm.pause();
    const { key: template } = await cloneOf(config, hypervisor, wanted);
    return new SpareVm({ record, share, vm, link, size, template }, undo.move());
  }

  get key(): string {
    return this.#parts.record.key;
  }

  get share(): ShareFs {
    return this.#parts.share;
  }

  get vm(): Vm {
    return this.#parts.vm;
  }

  /**
   * Why this cannot be the wanted VM; `undefined` when it can.
   * @param wanted With this one's share among its devices.
   */
  async whyNot(
    config: RuntimeConfig,
    hypervisor: Hypervisor,
    wanted: WantedVm,
  ): Promise<string | undefined> {
    if (this.#given) return "it was a sandbox's before";
    if (config.factory.vmCacheNumber === 0) return "vm_cache_number is 0";
    const why = whyNot(config, hypervisor, this.share, wanted);
    if (why !== undefined) return why;
    const { key } = await cloneOf(config, hypervisor, wanted);
    return key === this.#parts.template ? undefined : "the configuration is another by now";
  }

  /** Lets it go on, with the sandbox's network cards. */
  async take(nets: readonly Net[]): Promise<StartedVm> {
    const { record, vm, link, size } = this.#parts;
    this.#given = true;
    record.save(vm.saved, true);
    await vm.resume();
    for (const net of nets) await vm.attach(net);
    return { vm, link, size, cloned: true, wantsTemplate: false };
  }

  /** Ends the VM, and removes everything that was made for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}

function shareOf(config: RuntimeConfig, { key, folder }: SpareRecord): ShareFs {
  const copies = new CopiedFiles(() => Promise.reject(new TypeError("Nobody's files are copied")));
  return createShareFs({ config, sandboxKey: key, folder, copies });
}

/** Copies belong to a sandbox; so what shows files by copying is not made beforehand. */
function whyNot(
  config: RuntimeConfig,
  hypervisor: Hypervisor,
  { name }: ShareFs,
  wanted: WantedVm,
): string | undefined {
  if (name !== "virtio-9p") return `spare VMs have shared_fs = "virtio-9p", not "${name}"`;
  return whyNotCloned(config, hypervisor, wanted);
}

function wantedVm(
  config: RuntimeConfig,
  { capabilities }: Hypervisor,
  { key, folder }: SpareRecord,
  share: ShareFs,
  namespace: NetworkNamespace,
): WantedVm {
  const spec = vmSpecOf({ key, id: key, namespace: "" }, config, NO_WORKLOAD, folder, {
    devices: share.devices,
    netnsPath: config.runtime.disableNewNetns ? undefined : namespace.path,
    resizable: capabilities.resize,
  });
  return { spec, base: baseSize(config.hypervisor) };
}
