/** Interfaces of every kind that the host's kernel has, each with its other end on the host. */
import { command, output } from "../../../tools/lib/command.ts";
import { FdStream } from "../../../common/linux/fd_stream.ts";
import { createTap } from "../../../common/linux/tap.ts";
import type { CniPod } from "./cni.ts";

/** Makes one of a kind. */
interface Making {
  readonly pod: CniPod;
  /** Of the pod's interface. */
  readonly name: string;
  /** Begins the names of what is made on the host. */
  readonly prefix: string;
  /** Told how to undo what does not go with the pod, after that has gone. */
  readonly undo: AsyncDisposableStack;
}

/** Makes the interface in the pod. @returns The host's link at its other end; `undefined`: there is none. */
type Maker = (making: Making) => Promise<string | undefined>;

async function ip(...words: readonly string[]): Promise<void> {
  await output(["ip", ...words]);
}

function removeLater({ undo }: Making, link: string): void {
  undo.defer(async () => void await command(["ip", "link", "del", link])); // it may have gone with the pod
}

/** Two ends on the host, both up. @returns Their names. */
async function wire(making: Making): Promise<[string, string]> {
  const { prefix } = making, ends: [string, string] = [`${prefix}a`, `${prefix}b`];
  await ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1]);
  removeLater(making, ends[0]);
  for (const end of ends) await ip("link", "set", end, "up");
  return ends;
}

/** On top of a wire's end, as macvlan, ipvlan and VLAN interfaces are. */
function stacked(...type: readonly string[]): Maker {
  return async (making) => {
    const [lower, far] = await wire(making);
    await ip("link", "add", "link", lower, "name", making.name, "netns", making.pod.name, ...type);
    return far;
  };
}

async function veth({ pod, name, prefix }: Making): Promise<string> {
  await ip("link", "add", `${prefix}a`, "type", "veth", "peer", "name", name, "netns", pod.name);
  return `${prefix}a`;
}

/** As CNI's host-device moves hardware into a pod. */
async function moved(making: Making): Promise<string> {
  const [near, far] = await wire(making);
  await making.pod.add({
    name: "kata-kinds-moved",
    plugins: [{ type: "host-device", device: near }],
  }, making.name);
  return far;
}

/** A bridge of the pod's own, with one port. */
async function bridge({ pod, name, prefix }: Making): Promise<string> {
  const port = `${prefix}p`;
  await ip("link", "add", `${prefix}a`, "type", "veth", "peer", "name", port, "netns", pod.name);
  await pod.run("ip", "link", "add", name, "type", "bridge");
  await pod.run("ip", "link", "set", port, "master", name, "up");
  return `${prefix}a`;
}

/** Two tap devices, between which this process passes frames. */
async function tap(making: Making): Promise<string> {
  const far = `${making.prefix}a`;
  const streams = [making.name, far].map((name) => {
    const [fd] = createTap(name, 1);
    return making.undo.use(new FdStream(fd?.release() ?? -1));
  });
  const [near, other] = streams;
  if (near && other) void Promise.all([passFrames(near, other), passFrames(other, near)]);
  await ip("link", "set", making.name, "netns", making.pod.name);
  return far;
}

/** Longest frame, with the header that tells of its checksum and segments. */
const FRAME_BYTES = 68 * 1024;

async function passFrames(from: FdStream, to: FdStream): Promise<void> {
  const frame = new Uint8Array(FRAME_BYTES);
  for (let n = await from.read(frame); n !== null; n = await from.read(frame)) {
    await to.write(frame.slice(0, n)).catch(() => 0); // a device that is down takes none
  }
}

async function dummy({ pod, name }: Making): Promise<undefined> {
  await pod.run("ip", "link", "add", name, "type", "dummy");
}

/** By what `ip link` calls them; `moved` is no kind of the kernel's. */
export const KINDS: Readonly<Record<string, Maker>> = {
  veth,
  moved,
  bridge,
  macvlan: stacked("type", "macvlan", "mode", "bridge"),
  ipvlan: stacked("type", "ipvlan", "mode", "l2"),
  vlan: stacked("type", "vlan", "id", "5"),
  tap,
  dummy,
};

/** Those that the host's kernel can make; what is no kind of `ip link` it can. */
export async function kindsHere(): Promise<ReadonlySet<string>> {
  const found = new Set(["moved", "tap"]);
  for (const kind of Object.keys(KINDS)) {
    const { stderr } = await command(["ip", "link", "add", "kata-try0", "type", kind]);
    await command(["ip", "link", "del", "kata-try0"]);
    if (!/Unknown device type/.test(stderr)) found.add(kind);
  }
  return found;
}
