import { assertEquals } from "@std/assert";
import { cleanUp, markedProcesses } from "../../../runtime/hypervisor/clean_up.ts";
import type { Hypervisor, Vm, VmSpec } from "../../../runtime/hypervisor/hypervisor.ts";
import { initialVmState } from "../../../runtime/hypervisor/vm_state.ts";
import { type INIT_PROGRAMS, tinyInitrd } from "./tiny_initrd.ts";

/** Kernel for the guests: KATA_TEST_KERNEL, or the built one. */
export const KERNEL = Deno.env.get("KATA_TEST_KERNEL") ??
  new URL("../../../dist/vmlinux", import.meta.url).pathname;

/** A state folder and the specification of a small VM in it. At the end nothing may be left of the VM. */
export class Bench implements AsyncDisposable {
  private constructor(readonly folder: string, readonly spec: VmSpec) {}

  static async make(program: keyof typeof INIT_PROGRAMS = "wait"): Promise<Bench> {
    const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "kata-hv-" }));
    const stateDir = `${folder}/state`, initrd = `${folder}/initrd`;
    await Deno.mkdir(stateDir, { mode: 0o700 });
    await Deno.writeFile(initrd, tinyInitrd(program));
    return new Bench(folder, {
      id: folder.replace(/.*\//, ""), // as a sandbox's, never used again: an owner of VMs may still see to the last one's end
      stateDir,
      kernel: KERNEL,
      initrd,
      kernelParams: [],
      vcpus: 1,
      maxVcpus: 1,
      memoryMiB: 256,
      maxMemoryMiB: 256,
      devices: [],
    });
  }

  start(hypervisor: Hypervisor, change: Partial<VmSpec> = {}): Promise<Vm> {
    return hypervisor.start({ ...this.spec, ...change }, AbortSignal.timeout(20_000));
  }

  /** Ids of the VM's living processes. */
  processes(): number[] {
    return markedProcesses(this.spec.stateDir).map(({ pid }) => pid);
  }

  /** Nothing runs, and nothing is in the state folder but what a stand-in for a VMM, which was killed, had for itself. */
  async assertClean(): Promise<void> {
    assertEquals(this.processes(), []);
    const names = (await Array.fromAsync(Deno.readDir(this.spec.stateDir))).map(({ name }) => name);
    assertEquals(names.filter((name) => !/^vmm-\d+(-saved)?$/.test(name)), []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = this.processes();
    await cleanUp(initialVmState("test", this.spec.id, this.spec.stateDir));
    await Deno.remove(this.folder, { recursive: true });
    assertEquals(left, [], "processes were left behind");
  }
}
