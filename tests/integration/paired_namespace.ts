/** A pod's network of two ends: the host's and the guest's. */
import { output } from "../../tools/lib/command.ts";

export interface PairedNamespace {
  /** Of the namespace. */
  readonly path: string;
  /** Address of the end in it; the host reaches it. */
  readonly guest: string;
}

const HOST = "10.97.0.1", GUEST = "10.97.0.2";

/** Makes a namespace with one end of a pair of cards, whose other end is the host's. @param name Short. */
export async function pairedNamespace(
  name: string,
  undo: AsyncDisposableStack,
): Promise<PairedNamespace> {
  const namespace = `kata-test-${name}`, link = `kata-${name}`;
  await output(["ip", "netns", "add", namespace]);
  undo.defer(async () => void await output(["ip", "netns", "del", namespace]));
  const inside = ["type", "veth", "peer", "name", "eth0", "netns", namespace];
  await output(["ip", "link", "add", link, ...inside]);
  await output(["ip", "addr", "add", `${HOST}/24`, "dev", link]);
  await output(["ip", "link", "set", link, "up"]);
  await output(["ip", "-n", namespace, "addr", "add", `${GUEST}/24`, "dev", "eth0"]);
  for (const each of ["lo", "eth0"]) {
    await output(["ip", "-n", namespace, "link", "set", each, "up"]);
  }
  return { path: `/run/netns/${namespace}`, guest: GUEST };
}
