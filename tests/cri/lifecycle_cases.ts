/** Pods that come and go, lose their VM or their engine, or ask for what a VM cannot give. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ContainerState, NamespaceMode, PodSandboxState } from "../support/cri/gen/cri_pb.ts";
import { logText, type Pod, until } from "../support/cri/node.ts";
import { CHANNEL, ChannelSocket } from "../support/cri/stream.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import type { Lone } from "./suite.ts";

/** Ids of the VMMs of a pod. */
async function vmmPids(pod: Pod): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const argv = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => ""); // it may have ended
    if (/^[^\0]*qemu-system/.test(argv) && argv.includes(pod.id.slice(0, 32))) {
      found.push(Number(name));
    }
  }
  return found;
}

/** Counts on, one line each tenth of a second; ends with 0 when told to. */
const COUNTER = [
  "/bin/sh",
  "-c",
  "trap 'exit 0' TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done",
];

export const LIVES: readonly Lone[] = [
  [
    "a pod of two containers lives through restarts of a container and of containerd",
    async (node) => {
      const pod = await node.runPod();
      const steady = await node.run(pod, { command: COUNTER });
      const first = await node.run(pod, { metadata: { name: "second", attempt: 0 } });
      assertEquals(await node.sh(first, "echo one"), "one");
      await node.restartContainerd();
      assertEquals((await node.status(steady)).state, ContainerState.CONTAINER_RUNNING);
      assertEquals(await node.sh(steady, "echo again"), "again");
      await node.remove(first);
      const second = await node.run(pod, { metadata: { name: "second", attempt: 1 } });
      assertEquals(await node.sh(second, "echo two"), "two");
      const linux = { memoryLimitInBytes: 64n * 1024n * 1024n };
      await node.runtime.updateContainerResources({ containerId: steady, linux });
      assertEquals(await node.sh(steady, "cat /sys/fs/cgroup/memory.max"), "67108864");
      const { stats } = await node.runtime.containerStats({ containerId: steady });
      assert((stats?.memory?.workingSetBytes?.value ?? 0n) > 0n);
      const { url } = await node.runtime.attach({ containerId: steady, stdout: true });
      {
        await using stream = await ChannelSocket.open(url);
        await stream.waitFor(CHANNEL.stdout, /^\d+\n\d+\n/);
      }
      await node.stop(steady);
      assertEquals((await node.status(steady)).exitCode, 0);
      const lines = logText(await node.log(steady)).trim().split("\n").map(Number);
      assertEquals(lines, lines.map((_, index) => index + 1)); // nothing lost, nothing twice
      await node.removePod(pod);
    },
  ],

  [
    "a pod's only container is restarted, also while containerd is away when it ends",
    async (node) => {
      const pod = await node.runPod();
      const first = await node.run(pod);
      const vms = await vmmPids(pod);
      assertEquals(vms.length, 1);
      await node.remove(first);
      const command = ["/bin/sh", "-c", "while [ ! -e /dev/shm/go ]; do sleep 0.1; done; exit 5"];
      const second = await node.run(pod, { command, metadata: { name: "only", attempt: 1 } });
      const starter = await node.run(pod, {
        command: ["/bin/sh", "-c", "sleep 2; touch /dev/shm/go; sleep 1000"],
      });
      await node.restartContainerd(() => new Promise((resolve) => setTimeout(resolve, 4000)));
      assertEquals((await node.exited(second)).exitCode, 5);
      await node.remove(starter);
      await node.runtime.removeContainer({ containerId: second });
      const third = await node.run(pod, { metadata: { name: "only", attempt: 2 } });
      assertEquals(await node.sh(third, "echo up"), "up");
      assertEquals(await vmmPids(pod), vms);
      await node.removePod(pod);
    },
  ],

  ["a pod whose VM died fails, stops and is removed cleanly", async (node) => {
    const before = await snapshot();
    const pod = await node.runPod();
    const id = await node.run(pod);
    for (const pid of await vmmPids(pod)) Deno.kill(pid, "SIGKILL");
    const { exitCode } = await node.exited(id);
    assert(exitCode !== 0);
    await until("the pod is not ready", async () => {
      const { status } = await node.runtime.podSandboxStatus({ podSandboxId: pod.id });
      return status?.state === PodSandboxState.SANDBOX_NOTREADY || undefined;
    });
    await assertRejects(() => node.run(pod), Error);
    const began = Date.now();
    await node.removePod(pod);
    assert(Date.now() - began < 10_000, "removing a dead pod takes too long");
    assertEquals(await leaks(before), []);
  }],

  ["a pod stops with a container that ignores SIGTERM, twice, and is removed", async (node) => {
    const pod = await node.runPod();
    const id = await node.run(pod, { command: ["/bin/sh", "-c", "trap '' TERM; sleep 1000"] });
    await node.runtime.stopPodSandbox({ podSandboxId: pod.id });
    await node.runtime.stopPodSandbox({ podSandboxId: pod.id });
    assertEquals((await node.status(id)).state, ContainerState.CONTAINER_EXITED);
    const { status } = await node.runtime.podSandboxStatus({ podSandboxId: pod.id });
    assertEquals(status?.state, PodSandboxState.SANDBOX_NOTREADY);
    await node.runtime.removePodSandbox({ podSandboxId: pod.id });
    assertEquals(await vmmPids(pod), []);
  }],

  ["a pod that asks for the host's namespaces is refused before any VM starts", async (node) => {
    const { NODE } = NamespaceMode;
    const wishes = [
      [{ network: NODE }, /hostNetwork/],
      [{ pid: NODE }, /hostPID/],
      [{ ipc: NODE }, /hostIPC/],
    ] as const;
    for (const [namespaceOptions, message] of wishes) {
      const before = await snapshot();
      const linux = { securityContext: { namespaceOptions } };
      const error = await assertRejects(() => node.runPod({ linux }), Error);
      assertMatch(error.message, message);
      assertEquals(await leaks(before), []);
    }
  }],
];
