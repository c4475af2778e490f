import { close, pipe } from "../../../common/linux/fd.ts";
import { FdStream } from "../../../common/linux/fd_stream.ts";
import type { Capabilities } from "../capabilities.ts";
import { LoggedConsole } from "../console_log.ts";
import type { Hypervisor, VmSpec, VmTemplate } from "../hypervisor.ts";
import { refuseTaken, removeSockets } from "../remove_sockets.ts";
import { startServing } from "../serving_process.ts";
import { checkSpec } from "../spec_check.ts";
import { TextTail } from "../text_tail.ts";
import { follow, type RunningVmProcess } from "../vm_process.ts";
import { VmmApi } from "../vmm_api.ts";
import { requireVmmVersion } from "../vmm_version.ts";
import { followEvents } from "./event_monitor.ts";
import {
  type CloudHypervisorOptions,
  DEFAULT_CLOUD_HYPERVISOR_OPTIONS,
  MIN_VERSION,
} from "./options.ts";
import { Resizer } from "./resizer.ts";
import { restoreSnapshot, writeSnapshot } from "./snapshot.ts";
import { CloudHypervisorVm } from "./vm.ts";
import { refuseUnknown, vmConfig } from "./vm_config.ts";

/** How long the VMM may take to open its socket, in milliseconds; with ten starting at once, seconds. */
const READY_MS = 10_000;
/** How long a boot may take until the guest's first instruction: large memory is mapped and maybe filled. */
const BOOT_MS = 30_000;
/** Descriptors that the VMM is given. */
const EVENTS_FD = 3, CONSOLE_FD = 4;
const NAME = "Cloud Hypervisor";

/** Boots VMs in Cloud Hypervisor, one process each. It runs on hardware virtualisation only. */
export class CloudHypervisorDriver implements Hypervisor {
  readonly name = "clh";
  readonly capabilities: Capabilities = {
    transports: ["hybrid-vsock"],
    shareFs: ["virtio-fs"],
    hotPlug: ["disk", "net", "share-virtio-fs"],
    resize: true,
    pause: true,
    template: true,
    maxVcpus: 254,
    maxDisks: 24,
    maxNets: 8,
    tapBy: "name",
  };
  readonly #options: CloudHypervisorOptions;

  constructor(options: Partial<CloudHypervisorOptions> = {}) {
    this.#options = { ...DEFAULT_CLOUD_HYPERVISOR_OPTIONS, ...options };
  }

  async start(spec: VmSpec, signal: AbortSignal): Promise<CloudHypervisorVm> {
    signal.throwIfAborted();
    await checkSpec(spec, this.capabilities, this.#options.path);
    for (const device of spec.devices) refuseUnknown(device);
    const apiPath = `${spec.stateDir}/api.sock`, vsockPath = `${spec.stateDir}/vsock.sock`;
    refuseTaken(NAME, [apiPath, vsockPath]);
    await using undo = new AsyncDisposableStack();
    using ends = new DisposableStack();
    const events = openPipe(undo, ends), console = openPipe(undo, ends);
    undo.defer(() => removeSockets([apiPath, vsockPath]));
    const argv = this.#argv(apiPath);
    const fds = { [EVENTS_FD]: events.theirs, [CONSOLE_FD]: console.theirs };
    const process = await this.#spawn(spec, argv, fds, apiPath, signal);
    undo.defer(() => process.kill());
    ends.dispose(); // from here on the pipes end when the VMM does
    const api = undo.use(new VmmApi(NAME, apiPath, "/api/v1"));
    await this.#boot(api, spec, vsockPath, signal);
    const tail = this.#options.debug ? new LoggedConsole(spec.id) : new TextTail();
    void follow(console.ours, tail);
    const vm = new CloudHypervisorVm({
      process,
      api,
      console: tail,
      address: { kind: "hybrid-vsock", path: vsockPath },
      resizer: new Resizer(api, spec),
      options: this.#options,
      template: spec.template,
      saved: {
        driver: this.name,
        id: spec.id,
        stateDir: spec.stateDir,
        processes: [process.saved],
      },
      release: freeing(undo.move()),
    });
    void followEvents(events.ours, (event) => vm.note(event)).catch(() => {}); // the pipe was closed with the VM
    return vm;
  }

  #argv(apiPath: string): string[] {
    const { path, seccomp, logLevel } = this.#options;
    return [
      ...[path, "--api-socket", `path=${apiPath}`, "--event-monitor", `fd=${EVENTS_FD}`],
      ...["--seccomp", seccomp ? "true" : "false"],
      ...Array.from({ length: Math.min(logLevel, 3) }, () => "-v"),
    ];
  }

  #spawn(
    { stateDir, netnsPath }: VmSpec,
    argv: readonly string[],
    fds: Record<number, number>,
    socket: string,
    signal: AbortSignal,
  ): Promise<RunningVmProcess> {
    return startServing({
      ...{ role: "cloud-hypervisor", argv, fds, stateDir, socket, readyMs: READY_MS },
      ...(netnsPath === undefined ? {} : { netnsPath }),
    }, signal);
  }

  async #boot(api: VmmApi, spec: VmSpec, vsockPath: string, signal: AbortSignal): Promise<void> {
    requireVmmVersion(NAME, await api.get("/vmm.ping", { signal }), "version", MIN_VERSION);
    const { template, stateDir } = spec;
    if (template?.role === "clone") return await clone(api, template, stateDir, signal);
    const plan = {
      options: this.#options,
      vsockPath,
      consolePath: `/proc/self/fd/${CONSOLE_FD}`,
    };
    await api.put("/vm.create", vmConfig(spec, plan), { signal });
    await api.put("/vm.boot", undefined, { signal, timeoutMs: BOOT_MS });
  }
}

async function clone(
  api: VmmApi,
  template: VmTemplate,
  stateDir: string,
  signal: AbortSignal,
): Promise<void> {
  const folder = `${stateDir}/restore`;
  await writeSnapshot(template, folder, stateDir);
  try {
    await restoreSnapshot(api, folder, signal);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Pipe {
  readonly ours: FdStream;
  readonly theirs: number;
}

function openPipe(undo: AsyncDisposableStack, ends: DisposableStack): Pipe {
  const [ours, theirs] = pipe();
  ends.defer(() => close(theirs));
  return { ours: undo.use(new FdStream(ours)), theirs };
}

/** Frees what a VM owned, once. */
function freeing(owned: AsyncDisposableStack): () => Promise<void> {
  return () => owned.disposeAsync();
}
