import { assertEquals, assertRejects } from "@std/assert";
import type { VmSpec } from "../hypervisor.ts";
import { Resizer } from "./resizer.ts";

const SPEC: VmSpec = {
  ...{ id: "x", stateDir: "/s", kernel: "/k", kernelParams: [], devices: [] },
  ...{ vcpus: 1, maxVcpus: 4, memoryMiB: 256, maxMemoryMiB: 1000 },
};

function recorded(fails: (body: unknown) => boolean = () => false) {
  const said: unknown[] = [];
  const put = (path: string, body?: unknown): Promise<unknown> => {
    said.push([path, body]);
    return fails(body) ? Promise.reject(new Error("no")) : Promise.resolve(undefined);
  };
  return { said, resizer: new Resizer({ put }, SPEC) };
}

Deno.test("Resizer asks for whole blocks within the maxima, and only for changes", async () => {
  const { said, resizer } = recorded();
  assertEquals(await resizer.resize({ vcpus: 1, memoryMiB: 10 }), { vcpus: 1, memoryMiB: 256 });
  assertEquals(await resizer.resize({ vcpus: 2, memoryMiB: 300 }), { vcpus: 2, memoryMiB: 384 });
  assertEquals(await resizer.resize({ vcpus: 9, memoryMiB: 9999 }), { vcpus: 4, memoryMiB: 896 });
  assertEquals(await resizer.resize({ vcpus: 4, memoryMiB: 256 }), { vcpus: 4, memoryMiB: 256 });
  const MIB = 1024 * 1024;
  assertEquals(said, [
    ["/vm.resize", { desired_vcpus: 2 }],
    ["/vm.resize", { desired_ram: 384 * MIB }],
    ["/vm.resize", { desired_vcpus: 4 }],
    ["/vm.resize", { desired_ram: 896 * MIB }],
    ["/vm.resize", { desired_ram: 256 * MIB }],
  ]);
});

Deno.test("Resizer knows what was done before it failed", async () => {
  const fails = (body: unknown): boolean => JSON.stringify(body).includes("ram");
  const { said, resizer } = recorded(fails);
  await assertRejects(() => resizer.resize({ vcpus: 2, memoryMiB: 512 }), Error, "no");
  assertEquals(await resizer.resize({ vcpus: 2, memoryMiB: 256 }), { vcpus: 2, memoryMiB: 256 });
  assertEquals(said.length, 2);
});
