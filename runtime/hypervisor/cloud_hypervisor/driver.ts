import { Code, RuntimeError } from "../../../common/base/errors.ts";
import { close, pipe } from "../../../common/linux/fd.ts";
import { FdStream } from "../../../common/linux/fd_stream.ts";
import type { Capabilities } from "../capabilities.ts";
import { LoggedConsole } from "../console_log.ts";
import type { Hypervisor, VmSpec } from "../hypervisor.ts";
import { removeSockets } from "../remove_sockets.ts";
import { startServing } from "../serving_process.ts";
import { checkSpec } from "../spec_check.ts";
import { TextTail } from "../text_tail.ts";
import { follow, type RunningVmProcess } from "../vm_process.ts";
import { VmmApi } from "../vmm_api.ts";
import { followEvents } from "./event_monitor.ts";
import {
  type CloudHypervisorOptions,
  DEFAULT_CLOUD_HYPERVISOR_OPTIONS,
  MIN_VERSION,
} from "./options.ts";
import { CloudHypervisorVm } from "./vm.ts";
import { vmConfig } from "./vm_config.ts";

/** How long the VMM may take to open its socket, in milliseconds; with ten starting at once, seconds. */
const READY_MS = 10_000;
/** How long a boot may take until the guest's first instruction: large memory is mapped and maybe filled. */
const BOOT_MS = 30_000;
/** Descriptors that the VMM is given. */
const EVENTS_FD = 3, CONSOLE_FD = 4;

/** Boots VMs in Cloud Hypervisor, one process each. It runs on hardware virtualisation only. */
export class CloudHypervisorDriver implements Hypervisor {
  readonly name = "clh";
  readonly capabilities: Capabilities = {
    transports: ["hybrid-vsock"],
    shareFs: ["virtio-fs"],
    hotPlug: ["disk", "net"],
    resize: false,
    pause: true,
    template: false,
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
    const apiPath = `${spec.stateDir}/api.sock`, vsockPath = `${spec.stateDir}/vsock.sock`;
    await using undo = new AsyncDisposableStack();
    using ends = new DisposableStack();
    const events = openPipe(undo, ends), console = openPipe(undo, ends);
    undo.defer(() => removeSockets([apiPath, vsockPath]));
    const argv = this.#argv(apiPath);
    const fds = { [EVENTS_FD]: events.theirs, [CONSOLE_FD]: console.theirs };
    const process = await this.#spawn(spec, argv, fds, apiPath, signal);
    undo.defer(() => process.kill());
    ends.dispose(); // from here on the pipes end when the VMM does
    const api = undo.use(new VmmApi("Cloud Hypervisor", apiPath, "/api/v1"));
    await this.#boot(api, spec, vsockPath, signal);
    const tail = this.#options.debug ? new LoggedConsole(spec.id) : new TextTail();
    void follow(console.ours, tail);
    const vm = new CloudHypervisorVm({
      process,
      api,
      console: tail,
      address: { kind: "hybrid-vsock", path: vsockPath },
      saved: {
        driver: this.name,
        id: spec.id,
        stateDir: spec.stateDir,
        processes: [process.saved],
      },
      release: freeing(undo.move()),
      limits: this.#options,
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
    requireVersion(await api.get("/vmm.ping", { signal }));
    const plan = {
      options: this.#options,
      vsockPath,
      consolePath: `/proc/self/fd/${CONSOLE_FD}`,
    };
    await api.put("/vm.create", vmConfig(spec, plan), { signal });
    await api.put("/vm.boot", undefined, { signal, timeoutMs: BOOT_MS });
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

/** @throws {RuntimeError} FailedPrecondition: older than {@linkcode MIN_VERSION}, or not this VMM at all. */
function requireVersion(ping: unknown): void {
  const version = typeof ping === "object" && ping !== null && "version" in ping
    ? String(ping.version)
    : "";
  const [, major] = /^v?(\d{1,4})\.(\d{1,4})/.exec(version) ?? [];
  if (major !== undefined && Number(major) >= MIN_VERSION.major) return;
  const shown = JSON.stringify(version.slice(0, 40));
  throw new RuntimeError(
    Code.FailedPrecondition,
    `Cloud Hypervisor ${shown} is too old: ${MIN_VERSION.major}.0 or later is needed`,
  );
}
