import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { loadConfig } from "../../runtime/config/load.ts";
import { createHypervisor } from "../../runtime/hypervisor/drivers.ts";
import type { Hypervisor } from "../../runtime/hypervisor/hypervisor.ts";

function create(...lines: string[]): Hypervisor {
  const body = `${lines.join("\n")}\n`;
  return createHypervisor(loadConfig({ body, binaryDir: "/opt/kata" }).hypervisor);
}

Deno.test("createHypervisor refuses what a VMM cannot do, with VMM and key", () => {
  const refused = [
    ["[hypervisor.clh]", 'shared_fs = "virtio-9p"', '"virtio-fs", "none" only'],
    ["[hypervisor.clh]", 'transport = "serial"', '"hybrid-vsock" only'],
    ["[hypervisor.firecracker]", 'shared_fs = "virtio-fs"', '"none" only'],
    ["[hypervisor.firecracker]", 'transport = "vsock"', '"hybrid-vsock" only'],
    ["[hypervisor.remote]", 'shared_fs = "virtio-fs"', '"none" only'],
    ["[hypervisor.remote]", 'transport = "serial"', '"hybrid-vsock" only'],
  ] as const;
  for (const [table, line, why] of refused) {
    assertThrows(() => create(table, line), RuntimeError, `${table}: ${line}: this VMM has ${why}`);
  }
});

Deno.test("createHypervisor takes what VMMs can do", () => {
  assertEquals(create("[hypervisor.clh]", 'shared_fs = "none"').name, "clh");
  assertEquals(create("[hypervisor.clh]", 'transport = "hybrid-vsock"').name, "clh");
  assertEquals(create("[hypervisor.firecracker]").name, "firecracker");
  const jailed = create("[hypervisor.firecracker]", 'jailer_path = "/usr/bin/true"');
  assertEquals(jailed.capabilities.template, false);
});
