import { Code, messageOf, RuntimeError } from "../../../common/base/errors.ts";
import { processStartTime } from "../../../common/linux/process.ts";
import { log } from "../../../common/base/log.ts";
import type { Capabilities } from "../capabilities.ts";
import { cleanUp } from "../clean_up.ts";
import type { Hypervisor, VmSpec } from "../hypervisor.ts";
import { checkSpec } from "../spec_check.ts";
import { initialVmState, type VmProcess } from "../vm_state.ts";
import { machineSpec } from "./machine_spec.ts";
import { DEFAULT_REMOTE_OPTIONS, type RemoteOptions } from "./options.ts";
import { connectOwner, type Owner } from "./owner.ts";
import { RemoteVm } from "./vm.ts";

/** How long a program may take to remove a VM that it could not start, or that nobody waits for. */
const UNDO_MS = 3000;

/** VMs that another program owns, which is asked for them by a socket. */
export class RemoteDriver implements Hypervisor {
  readonly name = "remote";
  readonly capabilities: Capabilities = {
    transports: ["hybrid-vsock"],
    shareFs: [],
    hotPlug: ["disk", "net"],
    resize: false,
    pause: true,
    template: false,
    maxVcpus: 240,
    maxDisks: 24,
    maxNets: 8,
    tapBy: "name",
  };
  readonly #options: RemoteOptions;

  constructor(options: Partial<RemoteOptions> = {}) {
    this.#options = { ...DEFAULT_REMOTE_OPTIONS, ...options };
  }

  async start(spec: VmSpec, signal: AbortSignal): Promise<RemoteVm> {
    signal.throwIfAborted();
    await checkSpec(spec, this.capabilities);
    try {
      return await this.#start(spec, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  async #start(spec: VmSpec, signal: AbortSignal): Promise<RemoteVm> {
    const machine = machineSpec(spec, this.#options);
    await using undo = new AsyncDisposableStack();
    const owner = undo.use(await connectOwner(this.#options, signal));
    const { id, stateDir, netnsPath: networkNamespacePath = "" } = spec;
    undo.defer(() => forget(owner, spec));
    const { hypervisor } = owner;
    const made = await hypervisor.createVM({ id, networkNamespacePath, machine }, { signal });
    const path = checkSocket(made.agentSocketPath);
    const { pid } = await hypervisor.startVM({ id }, { signal });
    const process = vmmProcess(pid);
    undo.move(); // the VM owns it now
    return new RemoteVm({
      ...{ owner, process, address: { kind: "hybrid-vsock", path } },
      saved: { driver: this.name, id, stateDir, processes: [process] },
      release: () => Promise.resolve(owner[Symbol.dispose]()),
    });
  }
}

/** Whatever its owner does, nothing of the VM is left then. */
async function forget({ hypervisor }: Owner, { id, stateDir }: VmSpec): Promise<void> {
  try {
    await hypervisor.stopVM({ id }, { timeoutMs: UNDO_MS });
  } catch (error) {
    if (!(error instanceof RuntimeError && error.code === Code.NotFound)) { // it was never made
      log.warn("The remote hypervisor does not stop a VM", { vm: id, reason: messageOf(error) });
    }
  }
  await cleanUp(initialVmState("remote", id, stateDir));
}

function checkSocket(path: string): string {
  if (path.startsWith("/") && !path.includes("\0")) return path;
  const shown = JSON.stringify(path.slice(0, 80));
  throw new RuntimeError(Code.Internal, `The remote hypervisor's agent socket is ${shown}`);
}

/** @throws {RuntimeError} Unavailable: there is no such process, or it has ended. */
function vmmProcess(pid: number): VmProcess {
  try {
    if (pid > 1) return { role: "vmm", pid, startTime: processStartTime(pid) };
  } catch (error) {
    throw new RuntimeError(Code.Unavailable, `The remote hypervisor's VMM: ${messageOf(error)}`);
  }
  throw new RuntimeError(Code.Internal, `The remote hypervisor's VMM cannot be process ${pid}`);
}
