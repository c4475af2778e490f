/** What every container of a pod can do. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type ContainerConfig, IDLE, logText, until } from "../support/cri/node.ts";
import { ContainerState, NamespaceMode, PodSandboxState } from "../support/cri/gen/cri_pb.ts";
import type { Case } from "./suite.ts";

export const LIFE: readonly Case[] = [
  ["goes from created to running to exited to removed", async (node, pod) => {
    const labels = { app: "life" }, annotations = { note: "kept" };
    const id = await node.create(pod, { labels, annotations });
    const created = await node.status(id);
    assertEquals(created.state, ContainerState.CONTAINER_CREATED);
    assertEquals([created.labels, created.annotations], [labels, annotations]);
    await node.runtime.startContainer({ containerId: id });
    assertEquals((await node.status(id)).state, ContainerState.CONTAINER_RUNNING);
    await node.up(id);
    await node.stop(id);
    const { state, exitCode, finishedAt, startedAt } = await node.status(id);
    assertEquals([state, exitCode], [ContainerState.CONTAINER_EXITED, 0]);
    assert(finishedAt > startedAt);
    await node.stop(id); // again is no error
    await node.runtime.removeContainer({ containerId: id });
    const { containers } = await node.runtime.listContainers({ filter: { id } });
    assertEquals(containers, []);
  }],
  ["is removed before it was started, and while it runs", async (node, pod) => {
    const created = await node.create(pod);
    await node.runtime.removeContainer({ containerId: created });
    const running = await node.run(pod);
    await node.runtime.removeContainer({ containerId: running });
    const { containers } = await node.runtime.listContainers({ filter: { podSandboxId: pod.id } });
    const ids = containers.map(({ id }) => id);
    assert(!ids.includes(created) && !ids.includes(running));
  }],
  ["gets SIGKILL when it ignores SIGTERM", async (node, pod) => {
    const command = ["/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"];
    const id = await node.run(pod, { command });
    await node.up(id);
    await node.stop(id, 1);
    assertEquals((await node.status(id)).exitCode, 137);
    await node.remove(id);
  }],
  ["runs a command to its end, with both outputs and its status", async (node, pod) => {
    const id = await node.run(pod);
    const result = await node.exec(id, ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]);
    assertEquals(result, { stdout: "out\n", stderr: "err\n", code: 7 });
    const error = await assertRejects(() => node.exec(id, ["sleep", "4321"], 1), Error);
    assertMatch(error.message, /timeout|deadline|timed out/i);
    assertEquals(await node.sh(id, "ps -o args | grep -c '[s]leep 4321' || true"), "0");
    assertEquals((await node.exec(id, ["/no/such/program"]).catch(() => ({ code: -1 }))).code, -1);
    assertEquals(await node.sh(id, "echo still here"), "still here");
    await node.remove(id);
  }],
  ["tells what it uses, alone and in lists", async (node, pod) => {
    const [a, b] = [await node.run(pod, { labels: { stats: "a" } }), await node.run(pod)];
    const created = await node.create(pod);
    const { stats } = await node.runtime.containerStats({ containerId: a });
    assert((stats?.cpu?.usageCoreNanoSeconds?.value ?? 0n) > 0n);
    assert((stats?.memory?.workingSetBytes?.value ?? 0n) > 0n);
    const listed = async (filter?: { id?: string; labelSelector?: Record<string, string> }) => {
      const answer = await node.runtime.listContainerStats(filter ? { filter } : {});
      return answer.stats.map(({ attributes }) => attributes?.id);
    };
    assertEquals(await listed({ id: a }), [a]);
    assertEquals(await listed({ labelSelector: { stats: "a" } }), [a]);
    const all = await listed();
    for (const id of [a, b, created]) assert(all.includes(id));
    await Promise.all([a, b, created].map((id) => node.remove(id)));
  }],
  ["whose log is moved away writes a new one", async (node, pod) => {
    const script = "i=0; while :; do i=$((i+1)); echo line $i; echo error $i >&2; sleep 0.2; done";
    const id = await node.run(pod, { command: ["/bin/sh", "-c", script] });
    const { logPath } = await node.status(id);
    await until("first lines of both", async () => {
      const text = await node.log(id);
      return text.includes("line 1\n") && text.includes("error 1\n") || undefined;
    });
    await Deno.rename(logPath, `${logPath}.old`);
    await node.runtime.reopenContainerLog({ containerId: id });
    const fresh = await until("new log", async () => {
      const text = await node.log(id).catch(() => "");
      return /line \d+\n/.test(text) ? text : undefined;
    });
    assert(!fresh.includes("line 1\n"));
    const old = await Deno.readTextFile(`${logPath}.old`);
    assertMatch(old, /^\S+ stdout F line 1$/m);
    assertMatch(old, /^\S+ stderr F error 1$/m);
    await node.remove(id);
  }],
  ["tells the end of its last line in the log", async (node, pod) => {
    const { status, log } = await node.runToEnd(pod, {
      command: ["/bin/sh", "-c", "echo one; printf two; exit 3"],
    });
    assertEquals([status.exitCode, status.reason], [3, "Error"]);
    assertEquals(log.trim().split("\n"), ["one", "two"]);
    assertEquals(logText(log).trim(), log.trim());
    await node.remove(status.id);
  }],
  ["is started again after its end as a new container of the living pod", async (node, pod) => {
    const first = await node.run(pod, { metadata: { name: "again", attempt: 0 } });
    await node.stop(first);
    await node.runtime.removeContainer({ containerId: first });
    const second = await node.run(pod, { metadata: { name: "again", attempt: 1 } });
    assertEquals(await node.sh(second, "echo up"), "up");
    await node.remove(second);
  }],
  ["that eats its memory limit is OOMKilled, and its neighbour lives on", async (node, pod) => {
    const neighbour = await node.run(pod);
    const limited = { linux: { resources: { memoryLimitInBytes: 16n * 1024n * 1024n } } };
    const command = ["dd", "if=/dev/zero", "of=/dev/null", "bs=40M", "count=1"];
    const { status } = await node.runToEnd(pod, { ...limited, command });
    const { exitCode, reason } = await until("reason", async () => {
      const now = await node.status(status.id);
      return now.reason === "OOMKilled" ? now : undefined;
    });
    assertEquals([exitCode, reason], [137, "OOMKilled"]);
    assertEquals(await node.sh(neighbour, "echo alive"), "alive");
    await Promise.all([node.remove(status.id), node.remove(neighbour)]);
  }],
  ["gets new limits while it runs", async (node, pod) => {
    const memoryLimitInBytes = 64n * 1024n * 1024n;
    const id = await node.run(pod, { linux: { resources: { memoryLimitInBytes } } });
    const limit = "cat /sys/fs/cgroup/memory.max; cat /sys/fs/cgroup/cpu.max";
    assertEquals(await node.sh(id, limit), `${memoryLimitInBytes}\nmax 100000`);
    const linux = {
      memoryLimitInBytes: 2n * memoryLimitInBytes,
      cpuQuota: 50_000n,
      cpuPeriod: 100_000n,
    };
    await node.runtime.updateContainerResources({ containerId: id, linux });
    assertEquals(await node.sh(id, limit), `${2n * memoryLimitInBytes}\n50000 100000`);
    await node.remove(id);
  }],
];

function pidMode(pid: NamespaceMode): ContainerConfig {
  return { linux: { securityContext: { namespaceOptions: { pid } } } };
}

export const POD: readonly Case[] = [
  ["is ready, keeps its labels and is found by them", async (node, pod) => {
    const { status } = await node.runtime.podSandboxStatus({ podSandboxId: pod.id });
    assertEquals(status?.state, PodSandboxState.SANDBOX_READY);
    assertEquals([status?.labels, status?.annotations], [
      { stage: "shared" },
      { "io.kubernetes.note": "kept" },
    ]);
    const filter = { labelSelector: { stage: "shared" } };
    const { items } = await node.runtime.listPodSandbox({ filter });
    assertEquals(items.map(({ id }) => id), [pod.id]);
  }],
  ["shares hostname, IPC, network, /dev/shm and, where asked for, PIDs", async (node, pod) => {
    const [a, b] = [await node.run(pod, pidMode(NamespaceMode.CONTAINER)), await node.run(pod)];
    const spaces = "for n in uts ipc net pid mnt; do readlink /proc/self/ns/$n; done; hostname";
    const [one, other] = [await node.sh(a, spaces), await node.sh(b, spaces)].map((text) =>
      text.split("\n")
    );
    assertEquals(one?.slice(0, 3), other?.slice(0, 3));
    assertEquals([one?.[5], other?.[5]], ["cri-pod", "cri-pod"]);
    assert(one?.[3] !== other?.[3] && one?.[4] !== other?.[4]);
    assertMatch(await node.sh(a, "grep ' /dev/shm ' /proc/mounts"), / tmpfs .*size=65536k/);
    await node.sh(a, "echo shared > /dev/shm/note");
    assertEquals(await node.sh(b, "cat /dev/shm/note; rm /dev/shm/note"), "shared");
    const first = "tr '\\0' ' ' < /proc/1/cmdline | cut -c1-7";
    assertEquals([await node.sh(a, first), await node.sh(b, first)], ["/bin/sh", "/pause"]);
    await Promise.all([node.remove(a), node.remove(b)]);
  }],
  ["lets a container see another one's processes, where asked for", async (node, pod) => {
    const own = pidMode(NamespaceMode.CONTAINER);
    const targetId = await node.run(pod, { ...own, command: ["sleep", "4321"] });
    const namespaceOptions = { pid: NamespaceMode.TARGET, targetId };
    const id = await node.run(pod, { linux: { securityContext: { namespaceOptions } } });
    assertEquals(await node.sh(id, "tr '\\0' ' ' < /proc/1/cmdline"), "sleep 4321");
    await node.remove(targetId);
    assertEquals((await node.exited(id)).exitCode, 137); // the namespace ends with its first process
    await node.runtime.removeContainer({ containerId: id });
  }],
  ["applies sysctls, and its DNS configuration", async (node, pod) => {
    const id = await node.run(pod);
    const values = "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/fs/mqueue/msg_max";
    assertEquals(await node.sh(id, values), "1\n100");
    const resolver = (await node.sh(id, "cat /etc/resolv.conf")).split("\n");
    assertEquals(resolver, ["search cri.test", "nameserver 10.10.10.10", "options ndots:8"]);
    assertEquals(await node.sh(id, "cat /etc/hostname"), "cri-pod");
    await node.remove(id);
  }],
  ["has a log and execs for each of its containers", async (node, pod) => {
    const talk = (word: string): ContainerConfig => ({
      command: ["/bin/sh", "-c", `echo ${word}; trap 'exit 0' TERM; sleep 1000 & wait`],
      envs: [{ key: "WORD", value: new TextEncoder().encode(word) }],
    });
    const [a, b] = [await node.run(pod, talk("left")), await node.run(pod, talk("right"))];
    for (const [id, word] of [[a, "left"], [b, "right"]] as const) {
      await until("its line", async () => logText(await node.log(id)) === `${word}\n` || undefined);
      assertEquals(await node.sh(id, "echo $WORD"), word);
    }
    await Promise.all([node.remove(a), node.remove(b)]);
  }],
  ["runs init containers one after the other before its own", async (node, pod) => {
    for (const name of ["one", "two"]) {
      const command = ["/bin/sh", "-c", `echo ${name} >> /dev/shm/init`];
      const { status } = await node.runToEnd(pod, { command });
      assertEquals(status.exitCode, 0);
      await node.remove(status.id);
    }
    const id = await node.run(pod, { command: IDLE });
    assertEquals(await node.sh(id, "cat /dev/shm/init; rm /dev/shm/init"), "one\ntwo");
    await node.remove(id);
  }],
];
