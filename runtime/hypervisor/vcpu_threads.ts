/** As VMMs call them: QEMU with `debug-threads`, Cloud Hypervisor, Firecracker. */
const VCPU = /^(CPU \d+\/|ALL CPUs\/|vcpu\d+|fc_vcpu \d+)/;

/** The threads of a VMM that run the guest's CPUs, as the host numbers them. */
export function vcpuThreads(vmm: number): number[] {
  const tasks = [...Deno.readDirSync(`/proc/${vmm}/task`)].map(({ name }) => name);
  return tasks.filter((task) => VCPU.test(nameOf(vmm, task))).map(Number);
}

function nameOf(vmm: number, task: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${vmm}/task/${task}/comm`);
  } catch (error) {
    const ended = error instanceof Deno.errors.NotFound || /os error 3\b/.test(String(error));
    if (ended) return ""; // between being listed and being asked
    throw error;
  }
}
