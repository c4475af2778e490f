/**
 * A root file system that the engine has mounted from a disk, as Docker's devicemapper driver does (a loop device
 * stands for the thin device). It stays the engine's, which copies files in and out while the container runs.
 */
import { assertEquals } from "@std/assert";
import { output } from "../../tools/lib/command.ts";
import { Bundle } from "../support/bundle.ts";
import { fileSystemImage } from "../support/busybox_root.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { OciCli } from "../support/oci_cli.ts";

const FOREVER = ["sh", "-c", "trap 'exit 5' TERM; while :; do sleep 1000 & wait; done"];

/** Puts the bundle's root on a disk of its own until disposal. */
async function mountRoot(bundle: Bundle): Promise<AsyncDisposable> {
  const image = `${bundle.path}/root.img`;
  await fileSystemImage("ext4", bundle.rootfs, image, 16);
  await output(["mount", "-o", "loop", image, bundle.rootfs]);
  return { [Symbol.asyncDispose]: async () => void await output(["umount", bundle.rootfs]) };
}

Deno.test("files are copied into and out of a running container whose root the engine mounted from a disk", async () => {
  const before = await snapshot();
  {
    using bundle = Bundle.make(FOREVER);
    await using _root = await mountRoot(bundle);
    await using cli = new OciCli();
    // Its streams are the container's; a pipe would end with that.
    const run = cli.argv("run", "--detach", "-b", bundle.path, "c");
    await output(["sh", "-c", 'exec "$@" >/dev/null 2>&1 </dev/null', "sh", ...run]);

    await Deno.writeTextFile(`${bundle.rootfs}/in`, "from the host\n");
    assertEquals(await cli.output(["exec", "c", "cat", "/in"]), "from the host\n");
    await cli.output(["exec", "c", "sh", "-c", "echo from the guest >/out; cp /out /in"]);
    assertEquals(await Deno.readTextFile(`${bundle.rootfs}/out`), "from the guest\n");
    assertEquals(await Deno.readTextFile(`${bundle.rootfs}/in`), "from the guest\n");

    await cli.output(["kill", "c", "KILL"]);
    await cli.output(["delete", "--force", "c"]);
    assertEquals(await Deno.readTextFile(`${bundle.rootfs}/out`), "from the guest\n");
  }
  assertEquals(await leaks(before), []);
});
