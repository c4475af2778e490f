/** How a pod is reached, and what it sees of the node's network. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { output } from "../../tools/lib/command.ts";
import { type CriNode, type Pod, until } from "../support/cri/node.ts";
import { CHANNEL, ChannelSocket } from "../support/cri/stream.ts";
import type { Case } from "./suite.ts";

/** Where the pod's servers listen; the second is mapped to a port of the node. */
export const PORTS = { plain: 80, mapped: 81, host: 38081 } as const;

/** A web server whose only page tells its port. @returns Its container, once it answers inside the pod. */
async function serve(node: CriNode, pod: Pod, port: number): Promise<string> {
  const script = `mkdir /www && echo page-${port} > /www/index.html && httpd -f -p ${port} -h /www`;
  const id = await node.run(pod, { command: ["/bin/sh", "-c", script] });
  await until("web server", async () => {
    const { code } = await node.exec(id, ["wget", "-qO-", `http://127.0.0.1:${port}/`]);
    return code === 0 || undefined;
  });
  return id;
}

async function page(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(20_000) });
  return (await response.text()).trim();
}

async function address(node: CriNode, pod: Pod): Promise<string> {
  const { status } = await node.runtime.podSandboxStatus({ podSandboxId: pod.id });
  return status?.network?.ip ?? "";
}

export const NETWORK: readonly Case[] = [
  ["is reached at its address, and at a port of the node's that is mapped", async (node, pod) => {
    const [plain, mapped] = [
      await serve(node, pod, PORTS.plain),
      await serve(node, pod, PORTS.mapped),
    ];
    const ip = await address(node, pod);
    assertMatch(ip, /^10\.88\./);
    assertEquals(await page(`http://${ip}:${PORTS.plain}/`), `page-${PORTS.plain}`);
    assertEquals(await page(`http://127.0.0.1:${PORTS.host}/`), `page-${PORTS.mapped}`);
    const inside = await node.sh(mapped, `wget -qO- http://127.0.0.1:${PORTS.plain}/`);
    assertEquals(inside, `page-${PORTS.plain}`);
    await Promise.all([node.remove(plain), node.remove(mapped)]);
  }],
  ["is reached by port-forward", async (node, pod) => {
    const server = await serve(node, pod, PORTS.plain);
    const { url } = await node.runtime.portForward({ podSandboxId: pod.id, port: [PORTS.plain] });
    await using stream = await ChannelSocket.open(url, `port=${PORTS.plain}`);
    stream.send(CHANNEL.stdin, "GET / HTTP/1.0\r\n\r\n");
    await stream.waitFor(CHANNEL.stdin, new RegExp(`page-${PORTS.plain}\n`));
    await node.remove(server);
  }],
  ["sees neither the node's sockets nor its shared memory", async (node, pod) => {
    using listener = Deno.listen({ port: 0, hostname: "0.0.0.0" });
    const { port } = listener.addr as Deno.NetAddr;
    const key = (await output(["ipcmk", "-M", "4096"])).trim().replace(/^.* /, "");
    try {
      const id = await node.run(pod);
      assert(!(await node.sh(id, "netstat -ln")).includes(`:${port} `));
      const segments = (await node.sh(id, "cat /proc/sysvipc/shm")).split("\n").slice(1);
      assertEquals(segments, []);
      await node.remove(id);
    } finally {
      await output(["ipcrm", "-m", key]);
    }
  }],
  ["counts its traffic", async (node, pod) => {
    const id = await node.run(pod);
    const { stats } = await node.runtime.podSandboxStats({ podSandboxId: pod.id });
    const { defaultInterface } = stats?.linux?.network ?? {};
    assertEquals(defaultInterface?.name, "eth0");
    assert((stats?.linux?.containers ?? []).some(({ attributes }) => attributes?.id === id));
    await node.remove(id);
  }],
];
