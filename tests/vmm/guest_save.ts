/**
 * Saving and loading a conforming server's machine, by QEMU's migration. Memory stays out of that and is copied as a
 * file; the vsock, which cannot be saved, leaves the machine before and comes back after.
 */
import type { QmpClient } from "../../runtime/hypervisor/qemu/qmp.ts";
import type { QmpEvent } from "../../runtime/hypervisor/qemu/qmp_message.ts";
import { output } from "../../tools/lib/command.ts";
import { RAM_ID, VSOCK_ID } from "./machine.ts";

export interface SavedFiles {
  /** The guest's memory. */
  readonly memory: string;
  /** The devices' state. */
  readonly state: string;
}

/** How long the guest may take to let go of its vsock, and QEMU to write or read a state. */
const UNPLUG_MS = 30_000, ASK_AGAIN_MS = 1_000, STATE_MS = 20_000;
const MIB = 1024 * 1024;
/** How long a guest may take to find a vsock that came back, before that is tried again. */
const TAKE_MS = 3_000, LOOK_AGAIN_MS = 5, ATTEMPTS = 2;
/** How long the program behind the vsock may take to listen again. */
const LISTEN_MS = 5_000;
const CHARDEV = "vs";
const VSOCK = { driver: "vhost-user-vsock-pci", chardev: CHARDEV, id: VSOCK_ID, bus: "pci.0" };
const BACKEND = { path: `/machine/peripheral/${VSOCK_ID}/virtio-backend` };
/** Source: QEMU, qapi/virtio.json: the guest's driver is ready. */
const DRIVEN = "VIRTIO_CONFIG_S_DRIVER_OK";
const CAPABILITIES = {
  capabilities: [
    { capability: "x-ignore-shared", state: true },
    { capability: "events", state: true },
  ],
};

/** @param qemu Its process, and how much memory the guest has from the start. */
export async function saveMachine(
  qmp: QmpClient,
  qemu: { readonly pid: number; readonly memoryMiB: number },
  files: SavedFiles,
): Promise<void> {
  await unplugVsock(qmp);
  await qmp.execute("migrate-set-capabilities", CAPABILITIES);
  const over = qmp.nextEvent(isOver, AbortSignal.timeout(STATE_MS));
  over.catch(() => {}); // the command may fail first
  await qmp.execute("migrate", { uri: `exec:cat >'${files.state}'` });
  const { data } = await over;
  if (data.status !== "completed") throw new Error(`The migration ended as ${data.status}`);
  await output(["cp", "--sparse=always", memoryOf(qemu), files.memory]);
}

export async function loadMachine(qmp: QmpClient, state: string): Promise<void> {
  await qmp.execute("migrate-set-capabilities", CAPABILITIES);
  const over = qmp.nextEvent(isOver, AbortSignal.timeout(STATE_MS));
  over.catch(() => {});
  await qmp.execute("migrate-incoming", { uri: `exec:cat '${state}'` });
  const { data } = await over;
  if (data.status !== "completed") throw new Error(`The migration ended as ${data.status}`);
  await qmp.execute("stop");
  await qmp.execute("device_add", VSOCK);
}

/**
 * To be called once a loaded machine runs: returns when its guest has the vsock, which VMMs that save it have at once.
 * A guest that was saved just when it had let go of it may miss that it is back; one without a driver never takes it.
 * @param socket Of the program behind it.
 */
export async function vsockBack(qmp: QmpClient, socket: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const deadline = Date.now() + TAKE_MS;
    while (Date.now() < deadline) {
      if (JSON.stringify(await qmp.execute("x-query-virtio-status", BACKEND)).includes(DRIVEN)) {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    await unplug(qmp);
    await reconnect(qmp, socket);
    await qmp.execute("device_add", VSOCK);
  }
}

/** The program behind the vsock ends its conversation with the device, and waits for the next. */
async function reconnect(qmp: QmpClient, path: string): Promise<void> {
  const addr = { type: "unix", data: { path } };
  const backend = { type: "socket", data: { addr, server: false } };
  await qmp.execute("chardev-remove", { id: CHARDEV });
  const deadline = Date.now() + LISTEN_MS;
  for (;;) {
    try {
      await qmp.execute("chardev-add", { id: CHARDEV, backend });
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
}

function isOver({ name, data }: QmpEvent): boolean {
  return name === "MIGRATION" && ["completed", "failed"].includes(String(data.status));
}

/** Leaves the guest stopped. */
async function unplugVsock(qmp: QmpClient): Promise<void> {
  await qmp.execute("cont");
  await unplug(qmp);
  await qmp.execute("stop");
}

/** The guest must run for that; one that is still booting may miss being asked. */
async function unplug(qmp: QmpClient): Promise<void> {
  const limit = AbortSignal.timeout(UNPLUG_MS);
  const isGone = ({ name, data }: QmpEvent): boolean =>
    name === "DEVICE_DELETED" && data.device === VSOCK_ID;
  let over = false;
  const gone = qmp.nextEvent(isGone, limit).finally(() => over = true);
  gone.catch(() => {}); // awaited below
  while (!over) {
    await qmp.execute("device_del", { id: VSOCK_ID }).catch(() => {}); // it was asked before, or is gone
    await qmp.nextEvent(isGone, AbortSignal.timeout(ASK_AGAIN_MS)).catch(() => {});
  }
  await gone;
}

/** The file without a name that QEMU has for memory; the first of that size, since memory that can be added comes later. */
function memoryOf({ pid, memoryMiB }: { pid: number; memoryMiB: number }): string {
  const folder = `/proc/${pid}/fd`;
  const fds = [...Deno.readDirSync(folder)].map(({ name }) => Number(name)).sort((a, b) => a - b);
  const found = fds.map((fd) => `${folder}/${fd}`).find((path) =>
    Deno.readLinkSync(path).includes("memfd:") && Deno.statSync(path).size === memoryMiB * MIB
  );
  if (found === undefined) throw new Error(`QEMU ${pid} has no memory "${RAM_ID}"`);
  return found;
}
