import { assert, assertEquals } from "@std/assert";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { TaskClient } from "../support/task_client.ts";
import { background } from "./background.ts";
import { withHypervisor } from "./transports.ts";

const MIB = 1024 * 1024;

Deno.test("memory comes and goes in small blocks where virtio-mem is asked for", async () => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const id = "blocks";
    const flags = withHypervisor("enable_virtio_mem = true", "default_memory = 1024");
    const child = await background(containerd, id, undefined, flags);
    using client = await TaskClient.connect(containerd, id);
    const { task } = client;
    const limit = async (mib: number): Promise<void> => {
      const value = new TextEncoder().encode(JSON.stringify({ memory: { limit: mib * MIB } }));
      const typeUrl = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
      await task.update({ id, resources: { typeUrl, value } });
    };
    let execs = 0;
    const total = async (): Promise<number> => {
      const { stdout } = await client.run(`look${execs++}`, ["grep", "MemTotal", "/proc/meminfo"]);
      return Number(stdout.replace(/\D/g, "")) / 1024;
    };
    const first = await total();
    await limit(300);
    const grown = await total();
    assert(grown - first > 250 && grown - first <= 304, `${first} MiB, then ${grown}`);
    await limit(20);
    const shrunk = await total();
    assert(grown - shrunk > 200, `${grown} MiB, then ${shrunk}`);
    await task.kill({ id, signal: 9, all: true });
    await child.finish();
  }
  assertEquals(await leaks(before), []);
});
