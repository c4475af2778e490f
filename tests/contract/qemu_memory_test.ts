/** Where the memory of QEMU's guests comes from. */
import { assert } from "@std/assert";
import { QemuDriver } from "../../runtime/hypervisor/qemu/driver.ts";
import { parseHugePages } from "../../runtime/hypervisor/qemu/huge_pages.ts";
import { Bench, KERNEL } from "./hypervisor/bench.ts";
import { isFile } from "./hypervisor/qemu_drivers.ts";

const MEMORY_MIB = 256;

function whyNot(): string {
  if (Deno.uid() !== 0 || !isFile(KERNEL)) return `needs root and a kernel at ${KERNEL}`;
  const pages = parseHugePages(Deno.readTextFileSync("/proc/meminfo"));
  const availableMiB = pages === undefined ? 0 : pages.available * pages.pageMiB;
  return availableMiB < MEMORY_MIB ? `needs ${MEMORY_MIB} MiB in huge pages` : "";
}

/** Size of the memory that a process has mapped in pages larger than the usual, in KiB. Source: proc(5), smaps. */
function largePagesKiB(pid: number): number {
  let sizeKiB = 0, sum = 0;
  for (const line of Deno.readTextFileSync(`/proc/${pid}/smaps`).split("\n")) {
    const [, name, value] = /^(Size|KernelPageSize):\s+(\d+) kB$/.exec(line) ?? [];
    if (name === "Size") sizeKiB = Number(value);
    if (name === "KernelPageSize" && Number(value) > 4) sum += sizeKiB;
  }
  return sum;
}

const why = whyNot();

Deno.test({
  name: `QEMU's guest lives in huge pages where it is asked to${why && ` (skipped: ${why})`}`,
  ignore: why !== "",
  // The program's one reaper stays between tests.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using bench = await Bench.make();
    const driver = new QemuDriver({ accelerator: "tcg", transport: "serial", hugePages: true });
    assert(!driver.capabilities.template, "what has huge pages is no template");
    await using vm = await bench.start(driver);
    const kib = largePagesKiB(vm.pid);
    assert(kib >= MEMORY_MIB * 1024, `${kib} KiB in huge pages`);
  },
});
