import { assertEquals, assertRejects } from "@std/assert";
import type { AgentLink } from "../agent_client/agent_link.ts";
import type { VmResources } from "../hypervisor/hypervisor.ts";
import { type ResizableSandbox, SandboxSize } from "./sandbox_size.ts";
import type { VmSize } from "./vm_size.ts";

const OWN = { vcpus: 1, memoryMiB: 256 };
const BOOT: VmSize = { vcpus: 1, maxVcpus: 4, memoryMiB: 256, maxMemoryMiB: 1024 };

/** A VM that gives what it is asked for, and tells what happened in which order. */
function sandbox(
  give: (wanted: VmResources) => VmResources = (wanted) => wanted,
): ResizableSandbox & { readonly log: string[] } {
  const log: string[] = [];
  const onlineCPUMem = ({ nbCpus }: { nbCpus?: number }): Promise<unknown> => {
    log.push(`online ${nbCpus}`);
    return Promise.resolve({});
  };
  return {
    log,
    vm: {
      resize: (wanted) => {
        log.push(`resize ${wanted.vcpus} ${wanted.memoryMiB}`);
        return new Promise((resolve) => resolve(give(wanted)));
      },
    },
    guest: Promise.resolve({ link: { agent: { onlineCPUMem } } as unknown as AgentLink }),
    vcpusChanged: () => {
      log.push("threads");
      return Promise.resolve();
    },
  };
}

function cpu(cpus: number): { cpu: { quota: number; period: number } } {
  return { cpu: { quota: cpus * 100_000, period: 100_000 } };
}

const MEMORY = { memory: { limit: 100 << 20 } };

Deno.test("SandboxSize grows before limits are raised and shrinks after they are lowered", async () => {
  const pod = sandbox();
  const size = new SandboxSize(OWN, BOOT);
  const apply = (name: string) => (): Promise<void> => {
    pod.log.push(name);
    return Promise.resolve();
  };
  await size.change(pod, "a", cpu(2), apply("raise"));
  await size.change(pod, "a", cpu(0.5), apply("lower"));
  assertEquals(pod.log, [
    ...["resize 3 256", "threads", "online 2", "raise"],
    ...["lower", "resize 2 256", "threads"],
  ]);
});

Deno.test("SandboxSize sums all containers, within the VM's maxima and never below its start", async () => {
  const pod = sandbox();
  const size = new SandboxSize(OWN, BOOT);
  const nothing = (): Promise<void> => Promise.resolve();
  await size.change(pod, "a", MEMORY, nothing);
  await size.change(pod, "b", MEMORY, nothing);
  await size.change(pod, "c", { memory: { limit: 5 * 2 ** 40 } }, nothing);
  size.remove("a");
  size.remove("c");
  await size.change(pod, "b", { memory: { limit: -1 } }, nothing);
  assertEquals(pod.log, ["resize 1 356", "resize 1 456", "resize 1 1024", "resize 1 256"]);
});

Deno.test("SandboxSize asks nothing of a VM that is large enough", async () => {
  const pod = sandbox();
  const size = new SandboxSize(OWN, { ...BOOT, vcpus: 4, memoryMiB: 1024 });
  await size.change(pod, "a", { ...cpu(2), ...MEMORY }, () => Promise.resolve());
  assertEquals(pod.log, []);
});

Deno.test("SandboxSize goes on with a guest that is late, and asks it again with the next change", async () => {
  const pod = sandbox();
  const size = new SandboxSize(OWN, BOOT);
  let late = true;
  const { link } = await pod.guest;
  const online = link.agent.onlineCPUMem;
  link.agent.onlineCPUMem = (...call) =>
    late ? Promise.reject(new Error("0 of 1 processors came")) : online(...call);
  let applied = 0;
  const apply = (): Promise<void> => Promise.resolve(void applied++);
  await size.change(pod, "a", cpu(1), apply);
  late = false;
  await size.change(pod, "a", MEMORY, apply);
  assertEquals(applied, 2);
  assertEquals(pod.log, ["resize 2 256", "threads", "resize 2 356", "online 1"]);
});

Deno.test("SandboxSize goes back when the limits cannot be applied", async () => {
  const pod = sandbox();
  const size = new SandboxSize(OWN, BOOT);
  const fail = (): Promise<void> => Promise.reject(new Error("no such container"));
  await assertRejects(() => size.change(pod, "a", cpu(1), fail), Error, "no such container");
  assertEquals(pod.log, ["resize 2 256", "threads", "online 1", "resize 1 256", "threads"]);
});

Deno.test("SandboxSize does not raise limits that the VM cannot bear", async () => {
  let applied = false;
  const pod = sandbox(() => {
    throw new Error("no slot");
  });
  const size = new SandboxSize(OWN, BOOT);
  const apply = (): Promise<void> => {
    applied = true;
    return Promise.resolve();
  };
  await assertRejects(() => size.change(pod, "a", cpu(1), apply), Error, "no slot");
  assertEquals(applied, false);
});
