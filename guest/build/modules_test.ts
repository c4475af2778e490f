import { assertEquals, assertThrows } from "@std/assert";
import type { KernelItem } from "./manifest.ts";
import {
  initList,
  loadOrder,
  moduleEntries,
  type ModuleTree,
  readModule,
  withoutSignature,
} from "./modules.ts";
import { makeElf } from "./testing/make_elf.ts";

const MODULES: Record<string, string[]> = {
  virtio: ["depends="],
  virtio_pci: ["depends=virtio", "alias=pci:v00001AF4*"],
  "9pnet": ["depends="],
  "9pnet_virtio": ["depends=9pnet,virtio", "alias=virtio:d00000009v*"],
  "9p": ["depends=9pnet", "alias=fs-9p"],
};

const TREE: ModuleTree = {
  release: "6.1",
  find(name) {
    const modinfo = MODULES[name];
    if (name === "built_in") return undefined;
    if (modinfo === undefined) throw new Error(`no module "${name}"`);
    return readModule(`kernel/${name}.ko`, makeElf({ modinfo }));
  },
};

const KERNEL: KernelItem = {
  debian: "k",
  buildroot: [],
  always: ["virtio_pci", "built_in"],
  devices: ["9pnet_virtio"],
  together: { "9pnet_virtio": ["9p"] },
  onDemand: ["9p"],
};

Deno.test("loadOrder puts each module once, behind what it depends on", () => {
  assertEquals(loadOrder(["9p", "9pnet_virtio"], TREE).map(({ name }) => name), [
    "9pnet",
    "9p",
    "virtio",
    "9pnet_virtio",
  ]);
});

Deno.test("loadOrder names a module that the kernel does not have", () => {
  assertThrows(() => loadOrder(["nonesuch"], TREE), Error, 'no module "nonesuch"');
});

Deno.test("initList loads a bus at once and a device's modules when it is there", () => {
  const device = "virtio:d00000009v";
  assertEquals(initList(KERNEL, TREE), [
    { alias: "*", path: "kernel/virtio.ko" },
    { alias: "*", path: "kernel/virtio_pci.ko" },
    { alias: device, path: "kernel/9pnet.ko" },
    { alias: device, path: "kernel/9pnet_virtio.ko" },
    { alias: device, path: "kernel/9p.ko" },
  ]);
});

Deno.test("moduleEntries writes modprobe's tables", () => {
  const texts = new Map(
    moduleEntries(KERNEL, TREE).map((entry) => [
      entry.path,
      entry.kind === "file" ? new TextDecoder().decode(entry.data) : "",
    ]),
  );
  const dependencies = texts.get("lib/modules/6.1/modules.dep")?.split("\n");
  assertEquals(
    dependencies?.includes("kernel/9pnet_virtio.ko: kernel/virtio.ko kernel/9pnet.ko"),
    true,
  );
  assertEquals(texts.get("lib/modules/6.1/modules.alias")?.includes("alias fs-9p 9p\n"), true);
  assertEquals(
    texts.get("etc/kata-modules")?.startsWith("* /lib/modules/6.1/kernel/virtio.ko\n"),
    true,
  );
});

Deno.test("withoutSignature cuts an appended signature and nothing else", () => {
  const module = makeElf({ modinfo: ["depends="] });
  const signature = [9, 9, 9, 9, 9];
  const trailer = [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, signature.length];
  const magic = new TextEncoder().encode("~Module signature appended~\n");
  assertEquals(
    withoutSignature(new Uint8Array([...module, ...signature, ...trailer, ...magic])),
    module,
  );
  assertEquals(withoutSignature(module), module);
});
