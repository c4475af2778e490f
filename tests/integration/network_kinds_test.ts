/** A pod with an interface of every kind that the host's kernel has, by both models. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { output } from "../../tools/lib/command.ts";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { CniPod, hasCni } from "../support/net/cni.ts";
import { KINDS, kindsHere } from "../support/net/kinds.ts";
import { netPeerFolder } from "../support/net/net_peer.ts";
import { startPeer } from "./peer_container.ts";
import { withConfig } from "./transports.ts";

const MODELS = ["tcfilter", "macvtap"];

/** An interface of a kind, and the numbers by which it is told from the others. */
interface Made {
  readonly kind: string;
  readonly name: string;
  /** Its address; the other end has .1 of the same network. */
  readonly address: string;
  /** Leads to its other end. */
  readonly route: string;
  /** Whether it has another end. */
  readonly reachable: boolean;
}

async function make(
  pod: CniPod,
  kind: string,
  n: number,
  undo: AsyncDisposableStack,
): Promise<Made> {
  const name = `net${n}`, prefix = `kk${n}`;
  const far = await KINDS[kind]?.({ pod, name, prefix, undo });
  const address = `10.90.${n}.2`, route = `10.190.${n}.0/24`;
  if (far !== undefined) {
    await output(["ip", "addr", "add", `10.90.${n}.1/24`, "dev", far]);
    await output(["ip", "link", "set", far, "up"]);
  }
  await pod.run("ip", "addr", "add", `${address}/24`, "dev", name);
  await pod.run("ip", "link", "set", name, "up");
  await pod.run("ip", "route", "add", route, "via", `10.90.${n}.1`, "dev", name);
  return { kind, name, address, route, reachable: far !== undefined };
}

const ready = Deno.uid() === 0 && await hasCni();
const here = ready ? await kindsHere() : new Set<string>();
const kinds = Object.keys(KINDS).map((kind) => ({ kind, there: here.has(kind) }));
const why = ready ? "" : " (skipped: needs root and containernetworking-plugins)";

for (const model of MODELS) {
  Deno.test(
    { name: `interfaces of every kind, by ${model}${why}`, ignore: !ready },
    async (test) => {
      const tools = await netPeerFolder();
      await using _first = await CniPod.make("kata-kinds-first"); // ip(8) mounts a folder with the first namespace
      const before = await snapshot();
      {
        await using undo = new AsyncDisposableStack();
        await using pod = await CniPod.make("kata-kinds");
        const made = new Map<string, Made>();
        for (const [n, { kind, there }] of kinds.entries()) {
          if (there) made.set(kind, await make(pod, kind, n, undo));
        }
        await using containerd = await Containerd.start();
        const config = ["[agent.kata]", "dial_timeout = 300", "[runtime]"];
        const flags = withConfig([...config, `internetworking_model = "${model}"`]);
        const peer = await startPeer(containerd, "kinds", { netns: pod.path, tools, flags });
        const [links, routes] = [await peer.exec("ip", "addr"), await peer.exec("ip", "route")];

        for (const { kind, there } of kinds) {
          const lacks = there ? "" : " (skipped: the host's kernel has none)";
          await test.step({
            name: `${kind}${lacks}`,
            ignore: !there,
            fn: async () => {
              const { name, address, route, reachable } = made.get(kind) ?? {} as Made;
              assertMatch(
                links,
                new RegExp(`${name}: <[^>]*UP[^]*inet ${address}/24[^\\n]* ${name}\\n`),
              );
              assertStringIncludes(
                routes,
                `${route} via ${address.replace(/2$/, "1")} dev ${name}`,
              );
              if (!reachable) return;
              const ping = ["busybox", "ping", "-c", "2", "-W", "5", address] as const;
              assertMatch(await output(ping), / 0% packet loss/);
              assertEquals(await output([`${tools}/net_peer`, "echo", address, "8080"]), "echo\n");
              const moved = await output([`${tools}/net_peer`, "put", address, "8080", "2e6"]);
              assertMatch(moved, / right/);
            },
          });
        }
        await test.step("a bridge's port is the bridge's, and no interface of the guest's", () => {
          assertEquals(/: kk\dp[:@]/.test(links), false, links);
        });
        await peer.end();
      }
      assertEquals(await leaks(before), []);
    },
  );
}
