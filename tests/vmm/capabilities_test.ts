import { assertEquals } from "@std/assert";
import { CloudHypervisorDriver } from "../../runtime/hypervisor/cloud_hypervisor/driver.ts";
import { FirecrackerDriver } from "../../runtime/hypervisor/firecracker/driver.ts";
import { QemuDriver } from "../../runtime/hypervisor/qemu/driver.ts";
import { ROOT } from "../../tools/lib/paths.ts";

/** A row of the table of docs/vmms.md, by what stands in its first cell. */
function row(text: string, head: string): string[] {
  const line = text.split("\n").find((each) => each.startsWith(`| ${head} `)) ?? "";
  return line.split("|").slice(2, -1).map((cell) => cell.trim());
}

Deno.test("docs/vmms.md says of each VMM what its driver says", async () => {
  const text = await Deno.readTextFile(`${ROOT}/docs/vmms.md`);
  const drivers = [new QemuDriver(), new CloudHypervisorDriver(), new FirecrackerDriver()];
  const all = drivers.map(({ capabilities }) => capabilities);
  const names = row(text, "`[hypervisor.<name>]`");
  assertEquals(names, drivers.map(({ name }) => `\`${name}\``));
  assertEquals(row(text, "`transports`"), all.map(({ transports }) => transports.join(", ")));
  const shares = all.map(({ shareFs }) => shareFs.join(", ") || "none: disks and copies");
  assertEquals(row(text, "`shareFs`"), shares);
  assertEquals(row(text, "`hotPlug`"), all.map(({ hotPlug }) => hotPlug.join(", ")));
  assertEquals(row(text, "`resize`"), all.map(({ resize }) => resize ? "yes" : "no"));
  assertEquals(row(text, "`maxVcpus`"), all.map(({ maxVcpus }) => `${maxVcpus}`));
  const template = all.slice(1).map((each) => each.template); // QEMU's depends on what is installed
  assertEquals(template, [true, true]);
  assertEquals(new FirecrackerDriver({ jailer: "/jailer" }).capabilities.template, false);
});
