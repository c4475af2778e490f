/** Interfaces that hooks put into a namespace that was made for a container. */
import { assertEquals, assertMatch } from "@std/assert";
import { output } from "../../tools/lib/command.ts";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { withConfig } from "./transports.ts";

const PATIENT = withConfig(["[agent.kata]", "dial_timeout = 300"]);
const ignore = Deno.uid() !== 0;
const why = ignore ? " (skipped: needs root)" : "";

/** A specification of busybox with a hook that makes an interface in the namespace of the state's pid. */
async function specWithHook(containerd: Containerd, folder: string): Promise<string> {
  const spec = JSON.parse(await containerd.ctrOutput(["oci", "spec"]));
  await Deno.mkdir(`${folder}/root/bin`, { recursive: true });
  for (const name of ["dev", "proc", "sys"]) await Deno.mkdir(`${folder}/root/${name}`);
  await Deno.copyFile("/bin/busybox", `${folder}/root/bin/busybox`);
  await Deno.symlink("busybox", `${folder}/root/bin/sh`);
  const script = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
pid=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/')
net() { nsenter --net=/proc/$pid/ns/net -- "$@"; }
net ip link add hook0 type veth peer name hook1
net ip addr add 10.95.0.2/24 dev hook0
net ip link set hook0 up
`;
  await Deno.writeTextFile(`${folder}/hook`, script, { mode: 0o755 });
  spec.root = { path: `${folder}/root` };
  spec.process.args = ["/bin/busybox", "ip", "addr", "show", "hook0"];
  spec.process.terminal = false;
  spec.hooks = { createRuntime: [{ path: `${folder}/hook` }] };
  await Deno.writeTextFile(`${folder}/spec.json`, JSON.stringify(spec));
  return `${folder}/spec.json`;
}

Deno.test(
  { name: `what hooks put into a namespace without a path is in the guest${why}`, ignore },
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "kata-hook-" });
    const before = await snapshot();
    {
      await using containerd = await Containerd.start();
      const config = await specWithHook(containerd, folder);
      const run = ["run", "--rm", "--runtime", SHIM_PATH, ...PATIENT, "--config", config, "hooked"];
      const { stdout, stderr } = await containerd.ctr(run, { timeoutMs: 400_000 });
      assertMatch(stdout, /hook0[\s\S]*inet 10\.95\.0\.2\/24/, stderr);
    }
    await Deno.remove(folder, { recursive: true });
    assertEquals(await leaks(before), []);
    assertEquals(await output(["ip", "-o", "link", "show", "type", "veth"]), "");
  },
);
