/** How long QEMU's machines take from the driver's start to the agent's first answer, with each kernel that is there. */
import { buildGuest } from "../../guest/build/build_guest.ts";
import { connectAgent } from "../../runtime/agent_client/agent_link.ts";
import type { VmSpec } from "../../runtime/hypervisor/hypervisor.ts";
import { QemuDriver } from "../../runtime/hypervisor/qemu/driver.ts";
import { MACHINES, type MachineType } from "../../runtime/hypervisor/qemu/machine.ts";
import { cacheDir, DIST } from "../../tools/lib/paths.ts";
import { progress } from "../../tools/lib/terminal.ts";
import { type Bench, type BenchContext, recorder, since } from "../support/bench.ts";

const KERNELS = ["stock", "tuned"] as const;
const LIMIT_MS = 30_000;
const MACHINE_TYPES = (Object.keys(MACHINES) as MachineType[])
  .filter((type) => MACHINES[type].arch === Deno.build.arch);

/** A VM as a pod gets it, but for its share. */
async function specOf(kernel: typeof KERNELS[number], folder: string): Promise<VmSpec> {
  const guest = await buildGuest({
    ...{ agent: `${DIST}/kata-agent`, out: `${cacheDir()}/bench-${kernel}` },
    ...{ cache: `${cacheDir()}/guest`, kernel },
  });
  const size = { vcpus: 1, maxVcpus: 1, memoryMiB: 512, maxMemoryMiB: 512 };
  const path = `${folder}/share`, stateDir = `${folder}/state`;
  for (const each of [path, stateDir]) await Deno.mkdir(each, { recursive: true, mode: 0o700 });
  return {
    ...{ id: "bench", stateDir, kernel: guest.kernel, initrd: guest.initrd, kernelParams: [] },
    ...size,
    devices: [{ kind: "share-9p", tag: "kataShared", path, readonly: true, securityModel: "none" }],
  };
}

async function boot(spec: VmSpec, machineType: MachineType): Promise<number> {
  const signal = AbortSignal.timeout(LIMIT_MS);
  const driver = new QemuDriver({ machineType, transport: "serial" });
  const startedMs = performance.now();
  await using vm = await driver.start(spec, signal);
  using link = await connectAgent(vm.address, signal);
  await link.agent.getGuestDetails({});
  return since(startedMs);
}

async function measure(context: BenchContext, spec: VmSpec, kernel: string): Promise<void> {
  const record = recorder(context, `cold boot, ${kernel} kernel`);
  for (let round = 0; round < context.runs; round++) {
    for (const machineType of MACHINE_TYPES) {
      const machine = { label: machineType, runtime: "" };
      try {
        record(machine, "start to agent's answer", "ms", await boot(spec, machineType));
      } catch (error) {
        progress(`${machineType}, ${kernel} kernel: ${error}`);
      }
    }
  }
}

/** Each machine of this processor with each kernel. */
export const machines: Bench = {
  name: "machines",
  what: "QEMU's machine types, from the start to the agent's answer",
  async run(context) {
    const folder = await Deno.makeTempDir({ prefix: "kata-bench-" });
    try {
      for (const kernel of KERNELS) await measure(context, await specOf(kernel, folder), kernel);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};
