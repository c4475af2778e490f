import type { Spec } from "../../common/protocol/gen/kata/oci_pb.ts";
import { pidNamespacePath } from "../../common/protocol/pid_namespace.ts";
import { type RootfsMount, unmountRootfs } from "../storage/rootfs.ts";
import type { BundleConfig } from "./bundle.ts";
import { Container } from "./container.ts";
import {
  attachDevices,
  type ContainerRootfs,
  diskLayers,
  prepareRootfs,
} from "./container_storage.ts";
import { guestMounts, mountsOf } from "./guest_mounts.ts";
import { guestSpec } from "./guest_spec.ts";
import type { ContainerHooks } from "./hooks.ts";
import { agentKey, Process } from "./process.ts";
import { KILLED_STATUS, startRelay } from "./process_control.ts";
import { relayRoot } from "./relay_root.ts";
import { pidNamespace, type PodRole } from "./pod.ts";
import type { ProcessIo } from "./process_io.ts";
import { fetchTerminationLog, terminationFile } from "./termination_log.ts";
import type { Guest, Sandbox } from "./sandbox.ts";
import { openPump } from "./stdio_pump.ts";
import { resourcesOf } from "./vm_size.ts";

/** What the engine asks for with Create. */
export interface NewContainer {
  readonly id: string;
  readonly bundle: string;
  readonly config: BundleConfig;
  readonly role: PodRole;
  /** Empty when the engine has mounted the root file system itself. */
  readonly rootfs: readonly RootfsMount[];
  readonly io: ProcessIo;
  readonly hooks: ContainerHooks;
}

/** Longest time for removing a container in a guest that may be unwell, in milliseconds. */
const REMOVE_TIMEOUT_MS = 5_000;

/**
 * Tells the agent whose processes the container is to see: by the path of its PID namespace, for another container's.
 * @returns Whether it is the pod's.
 */
function joinPidNamespace(sandbox: Sandbox, { role, config }: NewContainer, spec: Spec): boolean {
  const namespace = pidNamespace(
    role,
    config.json,
    (pid) => sandbox.containers.find(({ init }) => init.pid === pid)?.id,
  );
  if (namespace.of === "container") {
    const entry = spec.Linux?.Namespaces.find(({ Type }) => Type === "pid");
    if (entry) entry.Path = pidNamespacePath(namespace.id);
  }
  return namespace.of === "pod";
}

async function createInGuest(
  sandbox: Sandbox,
  guest: Guest,
  request: NewContainer,
  init: Process,
  rootfs: ContainerRootfs,
  signal: AbortSignal,
): Promise<void> {
  const key = agentKey(init.key);
  const { mounts, storages } = await sandbox.timeline.step(
    "prepare mounts",
    () =>
      guestMounts(
        sandbox.mountContext(request.id, request.config.json),
        mountsOf(request.config.json),
      ),
  );
  const devices = await attachDevices(sandbox, request);
  const { seccomp } = guest;
  const OCI = guestSpec(request.config, { rootfs: rootfs.path, seccomp, mounts });
  const sandboxPidns = joinPidNamespace(sandbox, request, OCI);
  const pump = await openPump(guest.link, guest.streams, key, request.io, signal);
  try {
    await sandbox.timeline.step(
      "agent creates the container",
      () =>
        guest.link.agent.createContainer(
          {
            ...key,
            OCI,
            storages: [...rootfs.storages, ...storages],
            devices,
            sandboxPidns,
            ...pump.ports,
          },
          { signal, timeoutMs: sandbox.config.runtime.createContainerTimeout * 1000 },
        ),
    );
  } catch (error) {
    pump.stop();
    throw error;
  }
  init.attach(pump);
}

/**
 * Creates a container whose init waits to be started. Host and guest work side by side.
 * @throws {RuntimeError} Everything of the container is undone then.
 */
export async function createContainer(
  sandbox: Sandbox,
  request: NewContainer,
  signal: AbortSignal,
): Promise<Container> {
  const { id, config } = request;
  await using undo = new AsyncDisposableStack();
  const layers = diskLayers(sandbox, request.rootfs);
  const rootfsMounted = layers === undefined && request.rootfs.length > 0;
  undo.defer(() => sandbox.copies.remove(id));
  const rootfs = await prepareRootfs(sandbox, request, layers, undo);
  const init = new Process({ containerId: id, execId: "" }, request.io, config.terminal);
  const { bundle } = request;
  const container = new Container(
    id,
    bundle,
    init,
    rootfsMounted,
    request.hooks,
  );
  undo.defer(() => void init.ended(KILLED_STATUS));
  startRelay(sandbox, init);
  undo.defer(() => request.hooks.stopped());
  await request.hooks.creating(init.pid, signal);
  const guest = await sandbox.guest;
  await sandbox.refreshNetwork(guest, signal);
  await sandbox.cpuset.change(sandbox.cgroup, id, resourcesOf(config));
  await sandbox.size.change(
    sandbox,
    id,
    resourcesOf(config),
    () => createInGuest(sandbox, guest, request, init, rootfs, signal),
  );
  await init.show(relayRoot(config)); // not before: the guest makes mount points that the image lacks
  sandbox.add(container);
  followTermination(sandbox, guest, container, config);
  undo.move();
  return container;
}

/** Where files are copied into the guest, the last words of a container have to be fetched. */
function followTermination(
  sandbox: Sandbox,
  { link }: Guest,
  { id, init }: Container,
  { json }: BundleConfig,
): void {
  const file = sandbox.share.name === "none" ? terminationFile(json) : undefined;
  if (file === undefined) return;
  init.exited.then(async () => {
    if (sandbox.ended === undefined) await fetchTerminationLog(link.agent, id, file);
  });
}

/**
 * Removes a container from guest and host. What the guest cannot or will not do any more
 * ends with its VM; the host's part is done in any case.
 */
export async function removeContainer(sandbox: Sandbox, container: Container): Promise<void> {
  await using undo = new AsyncDisposableStack();
  undo.defer(() => sandbox.remove(container.id));
  undo.defer(() => container.hooks.stopped());
  if (container.rootfsMounted) undo.defer(() => unmountRootfs(`${container.bundle}/rootfs`));
  undo.defer(() => sandbox.share.remove(container.id));
  let letGo = false;
  undo.defer(() => sandbox.releaseStorage(container.id, letGo));
  undo.defer(async () => {
    await Promise.all(container.processes.map((process) => process.close()));
  });
  if (sandbox.ended !== undefined) return;
  const { link } = await sandbox.guest;
  await link.agent.removeContainer({ containerId: container.id }, { timeoutMs: REMOVE_TIMEOUT_MS });
  letGo = true;
}
