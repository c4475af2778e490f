/** What people run in containers comes to the same result as on runc, whatever carries the files. */
import { assertEquals } from "@std/assert";
import { command, output } from "../../tools/lib/command.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { makeBundle, type PodContainer, type PodResult, ShimPod } from "../support/shim_pod.ts";
import { addDebian } from "../support/storage/debian_root.ts";
import { type StorageDriver, storageDrivers } from "../support/storage/drivers.ts";
import { HostVolumes } from "../support/storage/host_volumes.ts";

/** Longest run of one workload. */
const WORKLOAD_MS = 300_000;

const WORKLOADS = [
  ["a database with two writers", "mkdir /sql && sh /workloads/sqlite.sh /sql"],
  ["a repository and a build", "mkdir /git && sh /workloads/git_and_build.sh /git"],
  ["a package", "sh /workloads/package.sh /workloads"],
] as const;

/** With runc on a copy of the root file system. */
async function byRunc(volumes: HostVolumes, script: string): Promise<PodResult> {
  const folder = await Deno.makeTempDir({ dir: volumes.folder, prefix: "runc-" });
  await command(["cp", "-a", volumes.root, `${folder}/rootfs`]);
  const bundle = await makeBundle(folder, "w", "w", ["sh", "-c", script], {}, "sandbox");
  return await command(
    ["runc", "--root", `${folder}/state`, "run", "--bundle", bundle, "workload"],
    { timeoutMs: WORKLOAD_MS },
  );
}

/** The root file systems that a driver is tried with: its own, and a disk where it has those too. */
async function roots(
  driver: StorageDriver,
  volumes: HostVolumes,
): Promise<Map<string, PodContainer>> {
  const own = driver.rootfs ? { rootfs: await driver.rootfs(volumes) } : {};
  const found = new Map<string, PodContainer>([[driver.name, own]]);
  if (driver.rootfs || !driver.blockDriver) return found;
  const source = `${volumes.folder}/${driver.id}.img`; // of its own: what a workload leaves would be in another's way
  await output(["cp", "--sparse=always", await volumes.image("ext4"), source]);
  const disk = { type: "ext4", source, options: [] };
  return found.set(`a disk by ${driver.blockDriver}`, { rootfs: [disk] });
}

async function byDriver(
  driver: StorageDriver,
  volumes: HostVolumes,
  expected: readonly PodResult[],
  test: Deno.TestContext,
): Promise<void> {
  const first = driver.podRootfs ? { rootfs: await driver.podRootfs(volumes) } : {};
  await using pod = await ShimPod.start(`work-${driver.id}`, driver.config, volumes.root, first);
  for (const [way, rootfs] of await roots(driver, volumes)) {
    for (const [at, [name, script]] of WORKLOADS.entries()) {
      await test.step(`${name}, by ${way}`, async () => {
        assertEquals(await pod.run(script, rootfs), expected[at]);
      });
    }
  }
}

Deno.test("databases, builds and packages have the same result as on runc", async (test) => {
  const before = await snapshot();
  {
    await using volumes = await HostVolumes.make();
    await addDebian(volumes.root);
    const expected: PodResult[] = [];
    for (const [name, script] of WORKLOADS) {
      const { code, stdout, stderr } = await byRunc(volumes, script);
      assertEquals(code, 0, `${name}: ${stderr}${stdout}`);
      expected.push({ code, stdout, stderr });
    }
    for (const driver of await storageDrivers()) {
      if (!driver.unavailable) await byDriver(driver, volumes, expected, test);
    }
  }
  assertEquals(await leaks(before), []);
});
