import { assert, assertEquals } from "@std/assert";
import { BUSYBOX } from "../support/busybox_image.ts";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { pidsOf } from "./background.ts";
import { childOf } from "./template_folder.ts";

const MIB = 1024;
/** How soon, and how much of it. */
const BACK_MS = 30_000, BACK_SHARE = 0.9;
const LOOK_AGAIN_MS = 100;
/** dd fills a buffer of this size and frees it. */
const ALLOCATE = "dd if=/dev/zero of=/dev/null bs=1G count=1 2>/dev/null; echo freed";

/** Memory of a process on the host, in KiB. */
async function residentKib(pid: number): Promise<number> {
  const rollup = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
  return Number(/^Rss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
}

/** The largest size until the work is over. */
async function peakKib(pid: number, work: Promise<unknown>): Promise<number> {
  let peak = 0, over = false;
  const ended = work.finally(() => over = true);
  while (!over) {
    peak = Math.max(peak, await residentKib(pid));
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))]);
  }
  await ended;
  return peak;
}

Deno.test("1 GiB that a container used and freed is back on the host within 30 s", async () => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const script = `echo up; while read _; do ${ALLOCATE}; done`;
    const run = ["run", "--rm", "--runtime", SHIM_PATH, BUSYBOX, "gives-back", "sh", "-c", script];
    await using child = childOf(containerd.argv(...run));
    assertEquals(await child.ask(""), "up");
    const { vmm } = await pidsOf("gives-back");
    const idle = await residentKib(vmm);
    const peak = await peakKib(vmm, child.ask(""));
    assert(peak - idle > 700 * MIB, `it took only ${(peak - idle) / MIB} MiB`);
    const deadline = Date.now() + BACK_MS;
    let back = 0;
    while (back < BACK_SHARE && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      back = (peak - await residentKib(vmm)) / (peak - idle);
    }
    assert(back >= BACK_SHARE, `only ${Math.round(back * 100)} % came back`);
  }
  assertEquals(await leaks(before), []);
});
