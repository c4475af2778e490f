import { log } from "../../../common/base/log.ts";
import { O, open, OwnedFd } from "../../../common/linux/fd.ts";
import { inNetns } from "../../../common/linux/netns.ts";
import { giveTap } from "../../../common/linux/tap.ts";
import { checkReadable } from "../boot_file.ts";
import type { Capabilities } from "../capabilities.ts";
import type { Device } from "../device.ts";
import type { Hypervisor, VmSpec } from "../hypervisor.ts";
import type { RunningVmProcess } from "../vm_process.ts";
import { startServing } from "../serving_process.ts";
import { checkSpec } from "../spec_check.ts";
import { VmmApi } from "../vmm_api.ts";
import { isAtLeast, requireVmmVersion } from "../vmm_version.ts";
import { type Cell, OpenCell } from "./cell.ts";
import {
  DEFAULT_FIRECRACKER_OPTIONS,
  type FirecrackerOptions,
  MIN_VERSION,
  REPORTING_VERSION,
} from "./options.ts";
import { Jail } from "./jail.ts";
import { MetricsPipe } from "./metrics.ts";
import { PLACEHOLDER_BYTES } from "./placeholders.ts";
import {
  bootDisks,
  bootRequests,
  driveId,
  FILES,
  loadRequest,
  reportRequests,
  type Request,
} from "./requests.ts";
import { FirecrackerVm } from "./vm.ts";

/** How long the VMM may take to open its socket, in milliseconds; with ten starting at once, seconds. */
const READY_MS = 10_000;
/** How long the start may take until the guest's first instruction. */
const BOOT_MS = 30_000;
const NAME = "Firecracker";

/** Boots VMs in Firecracker, one process each. It runs on hardware virtualisation only, and has no shared folders. */
export class FirecrackerDriver implements Hypervisor {
  readonly name = "firecracker";
  readonly capabilities: Capabilities;
  readonly #options: FirecrackerOptions;

  constructor(options: Partial<FirecrackerOptions> = {}) {
    this.#options = { ...DEFAULT_FIRECRACKER_OPTIONS, ...options };
    this.capabilities = {
      transports: ["hybrid-vsock"],
      shareFs: [],
      hotPlug: ["disk"],
      resize: false,
      pause: true,
      // Its files would have to be in every jail, as files of every jail's user.
      template: this.#options.jailer === "",
      maxVcpus: 32,
      maxDisks: 12,
      // All devices together are 19, one interrupt each: disks, image, vsock, entropy and balloon take the others.
      maxNets: 3,
      limitsNets: true,
      tapBy: "name",
    };
  }

  async start(spec: VmSpec, signal: AbortSignal): Promise<FirecrackerVm> {
    signal.throwIfAborted();
    await checkSpec(spec, this.capabilities, this.#options.path);
    if (this.#options.jailer !== "") await checkReadable(this.#options.jailer, "jailer_path");
    bootRequests(spec, this.#options); // refuses what it does not have before anything is made
    await using undo = new AsyncDisposableStack();
    const cell = undo.use(this.#cell(spec));
    this.#furnish(cell);
    const metrics = undo.use(new MetricsPipe(`${cell.folder}/${FILES.metrics}`));
    const clones = spec.template?.role === "clone";
    // Before it starts: what is mounted later does not come into every jail.
    const seen = clones ? spec : inside(spec, cell);
    const process = await this.#spawn(spec, cell, signal);
    undo.defer(() => process.kill());
    const api = undo.use(new VmmApi(NAME, `${cell.folder}/api.sock`, ""));
    await this.#boot(api, seen, signal);
    cell.running();
    for (const { id } of bootDisks(spec)) cell.opened(driveId(id));
    const owned = undo.move();
    return new FirecrackerVm({
      process,
      api,
      cell,
      metrics,
      address: { kind: "hybrid-vsock", path: `${cell.folder}/${FILES.vsock}` },
      saved: {
        ...{ driver: this.name, id: spec.id, stateDir: spec.stateDir },
        processes: [process.saved],
      },
      bootDrives: bootDisks(spec).length,
      template: spec.template,
      release: () => owned.disposeAsync(),
    });
  }

  #cell({ id, stateDir, netnsPath, devices }: VmSpec): Cell {
    const { path: program, jailer } = this.#options;
    if (jailer === "") {
      return new OpenCell(stateDir, { program, id: instanceId(id), netnsPath });
    }
    const admitUser = (uid: number): void => giveTaps(devices, netnsPath, uid);
    return Jail.make({ jailer, program, stateDir, netnsPath, admitUser });
  }

  /** Firecracker opens these files and makes none of them. */
  #furnish(cell: Cell): void {
    cell.writeFile(FILES.placeholder, new Uint8Array(PLACEHOLDER_BYTES));
    cell.makePipe(FILES.metrics);
    if (this.#options.debug) cell.writeFile(FILES.log, new Uint8Array());
  }

  #spawn(
    { stateDir }: VmSpec,
    cell: Cell,
    signal: AbortSignal,
  ): Promise<RunningVmProcess> {
    const own = ["--api-sock", cell.apiName, ...(this.#options.seccomp ? [] : ["--no-seccomp"])];
    const socket = `${cell.folder}/api.sock`;
    return startServing({
      ...{ role: "firecracker", stateDir, socket, socketName: cell.apiName, readyMs: READY_MS },
      ...cell.start(own),
    }, signal);
  }

  /** @param spec With the names that files have where the VMM lives. */
  async #boot(api: VmmApi, spec: VmSpec, signal: AbortSignal): Promise<void> {
    const answer = await api.get("/version", { signal });
    const version = requireVmmVersion(NAME, answer, "firecracker_version", MIN_VERSION);
    const { freePageReporting } = this.#options;
    const reports = freePageReporting && isAtLeast(version, REPORTING_VERSION);
    if (freePageReporting && !reports) {
      log.debug("reclaim_guest_freed_memory: this Firecracker is too old for it", { ...version });
    }
    const options = { ...this.#options, freePageReporting: reports };
    const say = async ({ path, body }: Request, timeoutMs?: number): Promise<void> => {
      await api.put(path, body, { signal, ...(timeoutMs !== undefined && { timeoutMs }) });
    };
    for (const request of reportRequests(options)) await say(request);
    const { template } = spec;
    if (template?.role === "clone") {
      await say(loadRequest(template.memory, template.state), BOOT_MS);
      return;
    }
    for (const request of bootRequests(spec, options)) await say(request);
    await say({ path: "/actions", body: { action_type: "InstanceStart" } }, BOOT_MS);
  }
}

/** The specification with the names that files have where the VMM lives. */
function inside(spec: VmSpec, cell: Cell): VmSpec {
  const { image } = spec;
  const admitted = image === undefined
    ? {}
    : { image: cell.admit({ path: image, source: "file", readonly: true }, "image") };
  return {
    ...spec,
    kernel: cell.lend(spec.kernel, "kernel"),
    ...(spec.initrd === undefined ? {} : { initrd: cell.lend(spec.initrd, "initrd") }),
    ...admitted,
    devices: spec.devices.map((device) =>
      device.kind === "disk" ? { ...device, path: cell.admit(device, driveId(device.id)) } : device
    ),
  };
}

/** Taps are opened by name, by whoever they belong to. */
function giveTaps(devices: readonly Device[], netnsPath: string | undefined, uid: number): void {
  const taps = devices.flatMap((device) => device.kind === "net" ? [device.tap] : []);
  const give = (): void => taps.forEach((tap) => giveTap(tap, uid));
  if (netnsPath === undefined || taps.length === 0) return give();
  using namespace = new OwnedFd(open(netnsPath, O.RDONLY));
  inNetns(namespace.fd, give);
}

/** Letters, digits and hyphens, at most 64. Source: Firecracker, `--id`. */
function instanceId(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9-]/g, "-").slice(-64);
}
