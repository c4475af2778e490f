import { assertEquals, assertNotEquals } from "@std/assert";
import { buildConfig } from "../config/load.ts";
import type { VmSpec } from "../hypervisor/hypervisor.ts";
import { templateKey } from "./template_key.ts";

const CONFIG = buildConfig([], { binaryDir: "/opt/kata", searchPath: "/usr/bin" }).hypervisor;

function spec(kernel: string, change: Partial<VmSpec> = {}): VmSpec {
  return {
    id: "a",
    stateDir: "/run/a",
    kernel,
    initrd: kernel,
    kernelParams: [],
    vcpus: 1,
    maxVcpus: 1,
    memoryMiB: 2048,
    maxMemoryMiB: 2048,
    devices: [{
      kind: "share-9p",
      tag: "kataShared",
      path: "/run/a/shared",
      readonly: false,
      securityModel: "passthrough",
    }],
    ...change,
  };
}

Deno.test("templateKey is the same for all pods that can be clones, and no others", async () => {
  const kernel = await Deno.makeTempFile();
  try {
    const keyOf = async (change?: Partial<VmSpec>, config = CONFIG, version = "1") =>
      (await templateKey(config, spec(kernel, change), version)).key;
    const key = await keyOf();
    const [share] = spec(kernel).devices;
    assertEquals(await keyOf({ id: "b", stateDir: "/run/b" }), key);
    assertEquals(share?.kind, "share-9p");
    if (share?.kind === "share-9p") {
      assertEquals(await keyOf({ devices: [{ ...share, path: "/run/b/shared" }] }), key);
      assertNotEquals(await keyOf({ devices: [{ ...share, tag: "other" }] }), key);
    }
    const others = [
      await keyOf({ memoryMiB: 1024 }),
      await keyOf({ vcpus: 2 }),
      await keyOf({ maxVcpus: 2 }),
      await keyOf({ kernelParams: ["quiet"] }),
      await keyOf({ devices: [] }),
      await keyOf({}, { ...CONFIG, enableDebug: true }),
      await keyOf({}, CONFIG, "2"),
    ];
    await Deno.writeTextFile(kernel, "another kernel");
    others.push(await keyOf());
    assertEquals(new Set([key, ...others]).size, others.length + 1);
  } finally {
    await Deno.remove(kernel);
  }
});
