import { assertEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../../common/base/errors.ts";
import { writeSnapshot } from "./snapshot.ts";

Deno.test("writeSnapshot moves what lay in the saved VM's folder, and nothing else", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const config = {
      vsock: { socket: "/run/old/vsock.sock", cid: 3 },
      payload: { kernel: "/run/older/vmlinux" },
      disks: [{ path: "/run/old" }],
    };
    const saved = { config: JSON.stringify(config), state: "{}", stateDir: "/run/old" };
    const template = { role: "clone", memory: "/m/memory", state: `${folder}/state` } as const;
    await Deno.writeTextFile(template.state, JSON.stringify(saved));
    await writeSnapshot(template, `${folder}/new`, "/run/new");
    assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/new/config.json`)), {
      ...config,
      vsock: { socket: "/run/new/vsock.sock", cid: 3 },
    });
    assertEquals(await Deno.readTextFile(`${folder}/new/state.json`), "{}");
    assertEquals(await Deno.readLink(`${folder}/new/memory-ranges`), "/m/memory");
    for (const damage of ["", "{}", '{"config":"{","state":"{}","stateDir":"/"}', "null"]) {
      await Deno.writeTextFile(template.state, damage);
      const damaged = (): Promise<void> => writeSnapshot(template, `${folder}/no`, "/run/new");
      await assertRejects(damaged, RuntimeError, "The template's state");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
