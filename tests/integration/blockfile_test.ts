/** containerd's blockfile snapshotter: each root file system is an image file, and a disk of the VM. */
import { assertEquals, assertMatch } from "@std/assert";
import { output } from "../../tools/lib/command.ts";
import { findKit } from "../conformance/kit.ts";
import { atOnce } from "../support/at_once.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { type Containerd, SHIM_PATH } from "../support/containerd.ts";
import { rounds } from "../support/full.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { posixProblems } from "../support/storage/drivers.ts";
import { PosixTools } from "../support/storage/posix_tools.ts";
import { blockfileContainerd } from "./blockfile_containerd.ts";
import { withConfig } from "./transports.ts";

const CONTAINERS = rounds(6, 50), AT_ONCE = 2;
/** A hundred thousand files take their time. */
const LONGEST_MS = 900_000;
const SNAPSHOTTER = ["--snapshotter", "blockfile"];

const kit = await findKit();
const unavailable = kit ? "" : " (not built: tools/conformance --prepare builds it)";

async function inTemporaryFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const before = await snapshot();
  const folder = await Deno.makeTempDir({ prefix: "kata-blockfile-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  assertEquals(await leaks(before), []);
}

/** What a container left in its snapshot, read on the host. */
async function readSnapshot(containerd: Containerd, key: string, folder: string): Promise<string> {
  const point = `${folder}/point`;
  await Deno.mkdir(point, { recursive: true });
  const mount = await containerd.ctrOutput(["snapshot", ...SNAPSHOTTER, "mounts", point, key]);
  await output(["sh", "-c", mount]);
  try {
    return await Deno.readTextFile(`${point}/left`);
  } finally {
    await output(["umount", point]);
  }
}

async function runMany(containerd: Containerd, flags: readonly string[]): Promise<void> {
  await atOnce(AT_ONCE, CONTAINERS, async (at) => {
    const { code, stderr } = await containerd.run(`many${at}`, ["true"], { flags });
    assertEquals([code, stderr], [0, ""]);
  });
}

for (const driver of ["virtio-scsi", "virtio-blk"]) {
  Deno.test({
    name: `containerd 2.x's blockfile snapshotter, by ${driver}${unavailable}`,
    ignore: kit === undefined,
    fn: (test) =>
      inTemporaryFolder(async (folder) => {
        await using containerd = await blockfileContainerd(kit?.bin ?? "", folder);
        const config = withConfig(["[hypervisor.qemu]", `block_device_driver = "${driver}"`]);
        const flags = [...SNAPSHOTTER, ...config];

        await test.step("the root is a disk; what a container leaves there is in its snapshot", async () => {
          const script = "grep ' / ' /proc/mounts; echo something >/left";
          const run = [
            "run",
            "--runtime",
            SHIM_PATH,
            ...flags,
            BUSYBOX,
            "disk",
            "sh",
            "-c",
            script,
          ];
          assertMatch(await containerd.ctrOutput(run), /^\/dev\/[sv]d[a-z]+ \/ ext4 /);
          assertEquals(await readSnapshot(containerd, "disk", folder), "something\n");
          await containerd.ctrOutput(["container", "rm", "disk"]);
        });

        await test.step("the root does what POSIX and containers ask", async () => {
          await using tools = await PosixTools.make();
          const options = { flags: [...flags, ...tools.mount], timeoutMs: LONGEST_MS };
          const { code, stdout, stderr } = await containerd.run("posix", tools.command, options);
          assertEquals([code, posixProblems(stdout)], [0, []], stderr);
        });

        await test.step(`${CONTAINERS} containers leave nothing`, async () => {
          const since = await snapshot();
          await runMany(containerd, flags);
          assertEquals(await leaks(since), []);
        });
      }),
  });
}
