import { Code, RuntimeError } from "../../../common/base/errors.ts";
import type { Capabilities } from "../capabilities.ts";
import type { Hypervisor, VmSpec } from "../hypervisor.ts";
import { removeSockets } from "../remove_sockets.ts";
import { startServing } from "../serving_process.ts";
import { checkSpec } from "../spec_check.ts";
import { VmmApi } from "../vmm_api.ts";
import { DEFAULT_FIRECRACKER_OPTIONS, type FirecrackerOptions, MIN_VERSION } from "./options.ts";
import { PLACEHOLDER_BYTES } from "./placeholders.ts";
import { bootDisks, bootRequests, type FirecrackerPlan } from "./requests.ts";
import { FirecrackerVm } from "./vm.ts";

/** How long the VMM may take to open its socket, in milliseconds; with ten starting at once, seconds. */
const READY_MS = 10_000;
/** How long the start may take until the guest's first instruction. */
const BOOT_MS = 30_000;

/** Boots VMs in Firecracker, one process each. It runs on hardware virtualisation only, and has no shared folders. */
export class FirecrackerDriver implements Hypervisor {
  readonly name = "firecracker";
  readonly capabilities: Capabilities = {
    transports: ["hybrid-vsock"],
    shareFs: [],
    hotPlug: ["disk"],
    resize: false,
    pause: true,
    template: false,
    maxVcpus: 32,
    maxDisks: 16,
    maxNets: 8,
    tapBy: "name",
  };
  readonly #options: FirecrackerOptions;

  constructor(options: Partial<FirecrackerOptions> = {}) {
    this.#options = { ...DEFAULT_FIRECRACKER_OPTIONS, ...options };
  }

  async start(spec: VmSpec, signal: AbortSignal): Promise<FirecrackerVm> {
    signal.throwIfAborted();
    await checkSpec(spec, this.capabilities, this.#options.path);
    checkVcpus(spec.vcpus);
    const { stateDir } = spec;
    const apiPath = `${stateDir}/api.sock`;
    const plan: FirecrackerPlan = {
      options: this.#options,
      vsockPath: `${stateDir}/vsock.sock`,
      placeholderPath: `${stateDir}/placeholder`,
      metricsPath: `${stateDir}/metrics`,
      logPath: this.#options.debug ? `${stateDir}/vmm.log` : undefined,
    };
    const requests = bootRequests(spec, plan);
    await using undo = new AsyncDisposableStack();
    undo.defer(() => removeSockets([apiPath, ...filesOf(plan)]));
    await makeFiles(plan);
    const process = await startServing({
      ...{ role: "firecracker", argv: this.#argv(spec, apiPath), stateDir },
      ...{ socket: apiPath, readyMs: READY_MS },
      ...(spec.netnsPath === undefined ? {} : { netnsPath: spec.netnsPath }),
    }, signal);
    undo.defer(() => process.kill());
    const api = undo.use(new VmmApi("Firecracker", apiPath, ""));
    requireVersion(await api.get("/version", { signal }));
    for (const { path, body } of requests) await api.put(path, body, { signal });
    const action = { action_type: "InstanceStart" };
    await api.put("/actions", action, { signal, timeoutMs: BOOT_MS });
    const owned = undo.move();
    return new FirecrackerVm({
      process,
      api,
      address: { kind: "hybrid-vsock", path: plan.vsockPath },
      saved: { driver: this.name, id: spec.id, stateDir, processes: [process.saved] },
      bootDrives: bootDisks(spec).length,
      placeholderPath: plan.placeholderPath,
      release: () => owned.disposeAsync(),
    });
  }

  #argv({ id }: VmSpec, apiPath: string): string[] {
    const { path, seccomp } = this.#options;
    return [
      ...[path, "--api-sock", apiPath, "--id", instanceId(id)],
      ...(seccomp ? [] : ["--no-seccomp"]),
    ];
  }
}

/** Letters, digits and hyphens, at most 64. Source: Firecracker, `--id`. */
function instanceId(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9-]/g, "-").slice(-64);
}

function filesOf({ vsockPath, placeholderPath, metricsPath, logPath }: FirecrackerPlan): string[] {
  return [vsockPath, placeholderPath, metricsPath, ...(logPath === undefined ? [] : [logPath])];
}

/** Firecracker opens these files and makes none of them. */
async function makeFiles(
  { placeholderPath, metricsPath, logPath }: FirecrackerPlan,
): Promise<void> {
  await Deno.writeFile(placeholderPath, new Uint8Array(PLACEHOLDER_BYTES), { mode: 0o600 });
  await Deno.writeFile(metricsPath, new Uint8Array(), { mode: 0o600 });
  if (logPath !== undefined) await Deno.writeFile(logPath, new Uint8Array(), { mode: 0o600 });
}

/** Source: Firecracker's OpenAPI description, MachineConfiguration. */
function checkVcpus(vcpus: number): void {
  if (vcpus === 1 || vcpus % 2 === 0) return;
  throw new RuntimeError(
    Code.InvalidArgument,
    `default_vcpus = ${vcpus}: Firecracker takes 1 or an even number`,
  );
}

/** @throws {RuntimeError} FailedPrecondition: older than {@linkcode MIN_VERSION}, or not this VMM at all. */
function requireVersion(answer: unknown): void {
  const version = typeof answer === "object" && answer !== null && "firecracker_version" in answer
    ? String(answer.firecracker_version)
    : "";
  const [, major, minor] = /^v?(\d{1,4})\.(\d{1,4})/.exec(version) ?? [];
  const number = Number(major) * 10_000 + Number(minor);
  if (number >= MIN_VERSION.major * 10_000 + MIN_VERSION.minor) return;
  throw new RuntimeError(
    Code.FailedPrecondition,
    `Firecracker ${
      JSON.stringify(version.slice(0, 40))
    } is too old: ${MIN_VERSION.major}.${MIN_VERSION.minor} or later is needed`,
  );
}
