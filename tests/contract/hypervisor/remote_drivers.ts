import type { Hypervisor } from "../../../runtime/hypervisor/hypervisor.ts";
import { findVhostDeviceVsock } from "../../../runtime/hypervisor/qemu/vhost_device_vsock.ts";
import { RemoteDriver } from "../../../runtime/hypervisor/remote/driver.ts";
import { serveRemote } from "../../vmm/serve_remote.ts";
import type { Driver } from "./drivers_under_test.ts";
import { endingScript, isFile, QEMU } from "./qemu_drivers.ts";

/** Its name among the drivers. */
export const REMOTE = "remote";

/** @param socket Where the program that owns the VMs listens. */
export function createRemote(socket: string): Hypervisor {
  return new RemoteDriver({ socket, timeoutMs: 20_000 });
}

/** The socket of another program, to be tried in the example's place. */
const THEIRS = Deno.env.get("KATA_TEST_REMOTE");
const VSOCK_DEVICE = Deno.env.get("KATA_TEST_VHOST_DEVICE_VSOCK") ?? findVhostDeviceVsock("");

function whyAbsent(): string {
  if (Deno.uid() !== 0) return "needs root";
  if (!isFile(QEMU)) return `no ${QEMU}`;
  return VSOCK_DEVICE === undefined ? "needs vhost-device-vsock" : "";
}

/** The driver of remote hypervisors with the example behind it; its program is a socket. */
export async function remoteDrivers(folder: string): Promise<Driver[]> {
  const absent = whyAbsent(), vsockDevice = VSOCK_DEVICE ?? "";
  const program = THEIRS ??
    (absent === "" ? await serveRemote(`${folder}/remote.sock`, { vsockDevice }) : "");
  return [{
    name: REMOTE,
    program,
    absent,
    create: createRemote,
    createCloning: () => Promise.resolve(createRemote(program)),
    real: false, // its processes are another program's
    freesPlaces: true,
    calls: [],
    changedProgram: () => Promise.reject(new TypeError("the example has no such faults")),
    oldProgram: (place) => serveRemote(`${place}/old.sock`, { vsockDevice, version: "0.9" }),
    endingProgram: async (place) =>
      serveRemote(`${place}/ending.sock`, { vsockDevice, qemu: await endingScript(place) }),
    programKey: "hypervisor_socket",
  }];
}
