/** What of the host a container sees, and how. */
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { MountPropagation as Propagation } from "../support/cri/gen/cri_pb.ts";
import { SharedFolder } from "./shared_folder.ts";
import type { Case } from "./suite.ts";

/** Whether a mount that the host makes later arrives in the container. */
async function arrives(...[node, pod, propagation]: [...Parameters<Case[1]>, Propagation]) {
  await using folder = await SharedFolder.make(node);
  const mounts = [{ hostPath: folder.path, containerPath: "/data", propagation }];
  const id = await node.run(pod, { mounts });
  await folder.mountBelow();
  const found = await node.sh(id, "ls -A /data/sub");
  await node.remove(id);
  return found !== "";
}

export const MOUNTS: readonly Case[] = [
  ["sees a folder of the host, and both sides what the other writes", async (node, pod) => {
    const hostPath = await Deno.makeTempDir({ dir: node.containerd.directory });
    await Deno.writeTextFile(`${hostPath}/from-host`, "host");
    await Deno.symlink(hostPath, `${hostPath}.link`);
    const mounts = [
      { hostPath, containerPath: "/data" },
      { hostPath: `${hostPath}.link`, containerPath: "/link" },
    ];
    const id = await node.run(pod, { mounts });
    const text = await node.sh(id, "cat /data/from-host /link/from-host; echo guest > /data/new");
    assertEquals(text, "hosthost");
    assertEquals(await Deno.readTextFile(`${hostPath}/new`), "guest\n");
    await node.remove(id);
  }],
  [
    "cannot write to a folder that is mounted read-only, but to mounts below it",
    async (node, pod) => {
      await using folder = await SharedFolder.make(node);
      await folder.mountBelow();
      const mounts = [{ hostPath: folder.path, containerPath: "/data", readonly: true }];
      const id = await node.run(pod, { mounts });
      const top = await node.exec(id, ["touch", "/data/new"]);
      assertNotEquals(top.code, 0);
      assertMatch(top.stderr, /Read-only file system/);
      assertEquals(await node.sh(id, "touch /data/sub/new && ls /data/sub"), "flag\nnew");
      await node.remove(id);
    },
  ],
  ["does not see later mounts of the host with private propagation", async (node, pod) => {
    assertEquals(await arrives(node, pod, Propagation.PROPAGATION_PRIVATE), false);
  }],
  ["sees later mounts of the host with propagation from the host", async (node, pod) => {
    assertEquals(await arrives(node, pod, Propagation.PROPAGATION_HOST_TO_CONTAINER), true);
  }],
  ["sees later mounts of the host with propagation both ways", async (node, pod) => {
    assertEquals(await arrives(node, pod, Propagation.PROPAGATION_BIDIRECTIONAL), true);
  }],
];
