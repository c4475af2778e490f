/**
 * An example of a remote hypervisor: a program that owns VMs and is asked for them by a socket, here with QEMU.
 * docs/howto/remote-hypervisor.md describes what it has to do.
 *
 *   tools/deno run -A tests/vmm/remote.ts --socket /run/my-vms.sock [--qemu PROGRAM] [--vsock-device PROGRAM]
 */
import { parseArgs } from "node:util";
import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import {
  type AttachDeviceRequest,
  Hypervisor,
  Machine,
} from "../../common/protocol/gen/kata/hypervisor_pb.ts";
import { TtrpcServer } from "../../common/protocol/ttrpc/server.ts";
import { Routes, type ServiceImpl } from "../../common/protocol/ttrpc/service.ts";
import { type MachineOptions, RemoteMachine } from "./remote_machine.ts";

const VERSION = Deno.env.get("KATA_TEST_VMM_VERSION") ?? "1.0";

const { values } = parseArgs({
  options: {
    socket: { type: "string" },
    qemu: { type: "string", default: "/usr/bin/qemu-system-x86_64" },
    "vsock-device": { type: "string", default: "/usr/local/bin/vhost-device-vsock" },
  },
});

/** A VM that was asked for; `vm` once it starts. */
interface Entry {
  readonly options: MachineOptions;
  vm?: Promise<RemoteMachine>;
  /** It has ended by itself, and nobody has asked to forget it. */
  over: boolean;
}

const entries = new Map<string, Entry>();

function entry(id: string): Entry {
  const found = entries.get(id);
  if (found) return found;
  throw new RuntimeError(Code.NotFound, `There is no VM ${JSON.stringify(id)}`);
}

async function machine(id: string): Promise<RemoteMachine> {
  const { vm } = entry(id);
  if (vm) return await vm;
  throw new RuntimeError(Code.FailedPrecondition, `VM ${JSON.stringify(id)} was not started`);
}

function unavailable(error: unknown): never {
  throw new RuntimeError(Code.Unavailable, messageOf(error));
}

const hypervisor: ServiceImpl<typeof Hypervisor> = {
  version: () => Promise.resolve({ version: VERSION }),
  createVM({ id, machine: spec, networkNamespacePath: netnsPath }) {
    if (spec === undefined) throw new RuntimeError(Code.InvalidArgument, "No machine is described");
    if (entries.get(id)?.over === false) {
      throw new RuntimeError(Code.AlreadyExists, `VM ${id} is there already`);
    }
    const programs = { qemu: values.qemu, vsockDevice: values["vsock-device"] };
    entries.set(id, { options: { spec, netnsPath, ...programs }, over: false });
    return Promise.resolve({ agentSocketPath: `${spec.stateDir}/vsock.sock` });
  },
  async startVM({ id }) {
    const known = entry(id);
    known.vm ??= RemoteMachine.start(known.options).catch(unavailable);
    const { pid, ended } = await known.vm;
    void ended.then(() => known.over = true);
    return { pid };
  },
  async stopVM({ id }) {
    const { vm } = entry(id);
    await (await vm?.catch(() => undefined))?.stop(); // one that did not start is gone
    entries.delete(id);
    return {};
  },
};

async function attach({ id, device }: AttachDeviceRequest) {
  switch (device.case) {
    case "disk": {
      const { id: disk, path, readonly } = device.value;
      const lun = await (await machine(id)).addDisk(disk, path, readonly);
      return { location: { case: "scsi", value: { target: 0, lun } } } as const;
    }
    case "net": {
      const { id: net, tap, mac } = device.value;
      await (await machine(id)).addNet(net, tap, mac);
      return { location: { case: "pci", value: "10/00" } } as const;
    }
    default:
      throw new RuntimeError(Code.InvalidArgument, "No device is described");
  }
}

const machines: ServiceImpl<typeof Machine> = {
  waitVM: async ({ id }) => await (await machine(id)).ended,
  async pauseVM({ id }) {
    await (await machine(id)).pause();
    return {};
  },
  async resumeVM({ id }) {
    await (await machine(id)).resume();
    return {};
  },
  attachDevice: attach,
  async detachDevice({ id, deviceId }) {
    await (await machine(id)).remove(deviceId);
    return {};
  },
  async resizeDisk({ id, deviceId, bytes }) {
    await (await machine(id)).resizeDisk(deviceId, Number(bytes));
    return {};
  },
};

/** Connections come and go; the VMs stay until they are stopped or end by themselves. */
async function serve(path: string): Promise<void> {
  using listener = Deno.listen({ transport: "unix", path });
  const server = new TtrpcServer(new Routes().add(Hypervisor, hypervisor).add(Machine, machines));
  for await (const connection of listener) void server.serve(connection);
}

if (values.socket === undefined) throw new Error("usage: remote.ts --socket PATH [--qemu PROGRAM]");
await serve(values.socket);
