/** Whether an image is the same one in every answer. */
import { assert, assertEquals } from "@std/assert";
import { BUSYBOX } from "../support/busybox_image.ts";
import type { CriNode } from "../support/cri/node.ts";
import type { Case } from "./suite.ts";

async function idOf(node: CriNode, image: string): Promise<string> {
  const answer = await node.client.image.imageStatus({ image: { image } });
  return answer.image?.id ?? "";
}

export const IMAGES: readonly Case[] = [
  ["has one identifier in all answers", async (node, pod) => {
    const id = await idOf(node, BUSYBOX);
    assert(id.startsWith("sha256:"));
    const { images } = await node.client.image.listImages({});
    const named = images.filter(({ repoTags }) => repoTags.includes(BUSYBOX));
    assertEquals(named.map((image) => image.id), [id]);
    const container = await node.run(pod);
    assertEquals((await node.status(container)).imageRef, id);
    const { containers } = await node.runtime.listContainers({ filter: { id: container } });
    assertEquals(containers.map(({ imageRef }) => imageRef), [id]);
    await node.remove(container);
  }],
  ["has the same identifier under another registry's name", async (node, pod) => {
    const other = "registry.test/copy/busybox:1";
    await node.containerd.ctrOutput(["-n", "k8s.io", "image", "tag", BUSYBOX, other]);
    const id = await node.imageKnown(other);
    assertEquals(id, await idOf(node, BUSYBOX));
    const container = await node.run(pod, { image: { image: other } });
    assertEquals((await node.status(container)).imageRef, id);
    await node.remove(container);
    await node.containerd.ctrOutput(["-n", "k8s.io", "image", "rm", other]); // CRI would remove both names
  }],
];
