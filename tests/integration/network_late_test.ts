/** Interfaces that come into a namespace that was made for a container: by hooks, and by engines that enter it. */
import { assertEquals, assertMatch } from "@std/assert";
import { output } from "../../tools/lib/command.ts";
import { Bundle } from "../support/bundle.ts";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { OciCli } from "../support/oci_cli.ts";
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

/** Creates a container that writes into a file. @returns The pid that engines are told. */
async function create(cli: OciCli, bundle: Bundle, id: string): Promise<string> {
  const line = [...cli.argv("create"), "-b", bundle.path, "--pid-file", `${bundle.path}/pid`, id];
  const script = `exec "$@" >${bundle.path}/out 2>&1 </dev/null`; // nothing waits for that file's end
  const { code } = await new Deno.Command("sh", { args: ["-c", script, "sh", ...line] }).output();
  assertEquals(code, 0, await Deno.readTextFile(`${bundle.path}/out`));
  return (await Deno.readTextFile(`${bundle.path}/pid`)).trim();
}

Deno.test(
  { name: `what an engine puts there between create and start is in the guest${why}`, ignore },
  async () => {
    const before = await snapshot();
    {
      using bundle = Bundle.make(["busybox", "ip", "addr", "show", "late0"]);
      await using cli = new OciCli();
      const pid = await create(cli, bundle, "late");
      const enter = ["nsenter", `--net=/proc/${pid}/ns/net`, "--", "ip"] as const;
      await output([...enter, "link", "add", "late0", "type", "veth", "peer", "name", "late1"]);
      await output([...enter, "addr", "add", "10.95.2.2/24", "dev", "late0"]);
      await output([...enter, "link", "set", "late0", "up"]);
      await cli.output(["start", "late"]);
      while (await cli.status("late") !== "stopped");
      assertMatch(
        await Deno.readTextFile(`${bundle.path}/out`),
        /late0[\s\S]*inet 10\.95\.2\.2\/24/,
      );
    }
    assertEquals(await leaks(before), []);
  },
);
