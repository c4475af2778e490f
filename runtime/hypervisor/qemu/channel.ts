import { unreachable } from "../../../common/base/errors.ts";
import { close } from "../../../common/linux/fd.ts";
import { type GuestAddress, SERIAL_PORT_NAME } from "../../../common/protocol/transport/address.ts";
import type { Transport } from "../capabilities.ts";
import type { Device } from "../device.ts";
import { allocateGuestCid } from "../guest_cid.ts";
import type { RunningVmProcess } from "../vm_process.ts";
import { listenForVm } from "../vm_socket.ts";
import { startVhostDeviceVsock } from "./vhost_device_vsock.ts";

/** The way to the agent. Disposing of it frees our descriptors only: once QEMU runs it has its own. */
export interface Channel extends Disposable {
  readonly address: GuestAddress;
  readonly device: Device;
  /** Sockets to remove when the VM has ended. */
  readonly paths: readonly string[];
  /** A process that serves the device; the VM cannot live without it. */
  readonly helper?: RunningVmProcess;
}

export interface ChannelOptions {
  readonly transport: Transport;
  readonly stateDir: string;
  /** Program for `hybrid-vsock`. */
  readonly vhostDeviceVsock: string | undefined;
}

/** Makes ready what QEMU needs before it starts. */
export async function openChannel(options: ChannelOptions, signal: AbortSignal): Promise<Channel> {
  switch (options.transport) {
    case "vsock":
      return kernelVsock();
    case "serial":
      return serial(options.stateDir);
    case "hybrid-vsock":
      return await hybridVsock(options, signal);
    default:
      return unreachable(options.transport);
  }
}

function kernelVsock(): Channel {
  const guest = allocateGuestCid();
  return {
    address: { kind: "vsock", cid: guest.cid },
    device: { kind: "vsock", cid: guest.cid, vhostFd: guest.vhostFd },
    paths: [],
    [Symbol.dispose]: () => guest[Symbol.dispose](),
  };
}

function serial(stateDir: string): Channel {
  const path = `${stateDir}/agent.sock`;
  const listenFd = listenForVm(path);
  return {
    address: { kind: "serial", path },
    device: { kind: "serial-channel", name: SERIAL_PORT_NAME, listenFd },
    paths: [path],
    [Symbol.dispose]: () => close(listenFd),
  };
}

async function hybridVsock(
  { stateDir, vhostDeviceVsock }: ChannelOptions,
  signal: AbortSignal,
): Promise<Channel> {
  if (vhostDeviceVsock === undefined) {
    throw new TypeError("hybrid-vsock was chosen without its program");
  }
  const helper = await startVhostDeviceVsock(vhostDeviceVsock, stateDir, signal);
  return {
    address: { kind: "hybrid-vsock", path: helper.hostSocket },
    device: { kind: "vhost-user-vsock", socketPath: helper.deviceSocket },
    paths: [helper.deviceSocket, helper.hostSocket],
    helper: helper.process,
    [Symbol.dispose]: () => {}, // its sockets are paths, not descriptors
  };
}
