/** What only containerd 2.x asks for: images as volumes, recursive read-only mounts, metrics. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { MountPropagation as Propagation } from "../support/cri/gen/cri_pb.ts";
import { EUID, GROUPS } from "../support/cri/images.ts";
import { type CriNode, type Fields, type Pod } from "../support/cri/node.ts";
import type { MountSchema } from "../support/cri/gen/cri_pb.ts";
import { HANDLER } from "../support/cri/node_config.ts";
import { SharedFolder } from "./shared_folder.ts";
import type { Case } from "./suite.ts";

type Mount = Fields<typeof MountSchema>;

/** Limits that give a container's metrics something to tell. */
const LIMITED = {
  cpuPeriod: 100_000n,
  cpuQuota: 50_000n,
  cpuShares: 1024n,
  memoryLimitInBytes: 64n * 1024n * 1024n,
};

/** Metrics that containerd names but does not have, or only on hosts that count a disk's or a page's use. */
const OPTIONAL_METRICS =
  /_(pressure|hugetlb|blkio)_|_fs_(reads|writes)_|_spec_cpu_quota|_reservation_|_ulimits_/;

async function refused(node: CriNode, pod: Pod, mount: Mount): Promise<string> {
  const { message } = await assertRejects(() => node.run(pod, { mounts: [mount] }), Error);
  return message;
}

export const CONTAINERD2: readonly Case[] = [
  ["a read-only mount is read-only all the way down, where asked for", async (node, pod) => {
    const { runtimeHandlers } = await node.runtime.status({});
    const ours = runtimeHandlers.find(({ name }) => name === HANDLER);
    assertEquals(ours?.features?.recursiveReadOnlyMounts, true);
    await using folder = await SharedFolder.make(node);
    await folder.mountBelow();
    const base = { hostPath: folder.path, containerPath: "/data" };
    const recursive = { ...base, readonly: true, recursiveReadOnly: true };
    const id = await node.run(pod, { mounts: [recursive] });
    for (const path of ["/data/new", "/data/sub/new"]) {
      const { code, stderr } = await node.exec(id, ["touch", path]);
      assertNotEquals(code, 0, path);
      assertMatch(stderr, /Read-only file system/);
    }
    await node.remove(id);
    const { PROPAGATION_HOST_TO_CONTAINER: FROM_HOST, PROPAGATION_BIDIRECTIONAL: BOTH } =
      Propagation;
    assertMatch(await refused(node, pod, { ...recursive, propagation: FROM_HOST }), /propagation/);
    assertMatch(await refused(node, pod, { ...recursive, propagation: BOTH }), /propagation/);
    assertMatch(await refused(node, pod, { ...recursive, readonly: false }), /read-only/i);
  }],
  ["an image is a read-only volume, whole or a folder of it", async (node, pod) => {
    const volume = { containerPath: "/image", image: { image: EUID }, readonly: true };
    const whole = await node.run(pod, { mounts: [volume] });
    assertEquals(await node.sh(whole, "ls /image/bin/euid"), "/image/bin/euid");
    assertNotEquals((await node.exec(whole, ["touch", "/image/new"])).code, 0);
    await node.remove(whole);
    const part = await node.run(pod, { mounts: [{ ...volume, imageSubPath: "bin" }] });
    assertEquals(await node.sh(part, "ls /image/euid"), "/image/euid");
    await node.remove(part);
    assertMatch(await refused(node, pod, { ...volume, imageSubPath: "no/such" }), /no\/such/);
    assertMatch(await refused(node, pod, { ...volume, readonly: false }), /readonly|read-only/i);
  }],
  ["the image's groups count or not, by policy", async (node, pod) => {
    const groups = async (supplementalGroupsPolicy: number): Promise<string[]> => {
      const securityContext = {
        runAsUser: { value: 1000n },
        supplementalGroups: [1234n],
        supplementalGroupsPolicy,
      };
      const id = await node.run(pod, {
        image: { image: GROUPS },
        linux: { securityContext },
      });
      const text = await node.sh(id, "id -G");
      await node.remove(id);
      return text.split(" ").sort();
    };
    assertEquals(await groups(0), ["1000", "1234", "50000"]);
    assertEquals(await groups(1), ["1000", "1234"]);
  }],
  ["a pod and its containers have metrics", async (node, pod) => {
    const id = await node.run(pod, { linux: { resources: LIMITED } });
    const { descriptors } = await node.runtime.listMetricDescriptors({});
    const { podMetrics } = await node.runtime.listPodSandboxMetrics({});
    const mine = podMetrics.find(({ podSandboxId }) => podSandboxId === pod.id);
    const container = mine?.containerMetrics.find(({ containerId }) => containerId === id);
    const given = new Map(
      [...mine?.metrics ?? [], ...container?.metrics ?? []].map((metric) =>
        [metric.name, metric.labelValues.length] as const
      ),
    );
    assert(descriptors.length > 40);
    for (const { name, labelKeys } of descriptors) {
      if (!OPTIONAL_METRICS.test(name)) assertEquals(given.get(name), labelKeys.length, name);
    }
    await node.remove(id);
  }],
];
