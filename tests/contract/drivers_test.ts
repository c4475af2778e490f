import { assert, assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { buildConfig } from "../../runtime/config/load.ts";
import { createHypervisor } from "../../runtime/hypervisor/drivers.ts";
import type { Hypervisor } from "../../runtime/hypervisor/hypervisor.ts";

const AROUND = { binaryDir: "/opt/kata", searchPath: "/nowhere" };

function driver(text: string): Hypervisor {
  return createHypervisor(buildConfig([{ name: "/etc/x.toml", text }], AROUND).hypervisor);
}

const X86 = { ignore: Deno.build.arch !== "x86_64" };

Deno.test("each table of the configuration has its driver", () => {
  for (const name of ["qemu", "clh", "firecracker", "remote"]) {
    assertEquals(driver(`[hypervisor.${name}]`).name, name);
  }
});

Deno.test("QEMU's machines differ in what they can do", X86, () => {
  const of = (machine: string) =>
    driver(`[hypervisor.qemu]\nmachine_type = "${machine}"\nreclaim_guest_freed_memory = false`)
      .capabilities;
  assertEquals(["q35", "nemu", "microvm"].map((machine) => of(machine).resize), [
    true,
    true,
    false,
  ]);
  for (const machine of ["q35", "nemu", "microvm"]) {
    assertEquals(of(machine).hotPlug, ["disk", "net"]);
    assert(of(machine).template);
  }
});

Deno.test("memory of nodes or huge pages makes no templates", X86, () => {
  for (const key of ["enable_numa", "enable_hugepages"]) {
    const text = `[hypervisor.qemu]\nreclaim_guest_freed_memory = false\n${key} = true`;
    assert(!driver(text).capabilities.template);
  }
});

Deno.test("what a machine cannot have is refused by its key", X86, () => {
  const refused = (lines: string, message: string) =>
    assertThrows(() => driver(`[hypervisor.qemu]\n${lines}`), RuntimeError, message);
  refused('machine_type = "virt"', 'machine_type = "virt": that is a machine of aarch64');
  refused("pcie_root_port = 9", "pcie_root_port = 9: QEMU's machines have room for 8");
  refused(
    'pcie_root_port = 3\nblock_device_driver = "virtio-blk"',
    'room for 2 beside those of block_device_driver = "virtio-blk"',
  );
});
