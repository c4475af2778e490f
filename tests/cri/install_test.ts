/** A node with a clean containerd: `install` is all that it takes, and `uninstall` leaves it as it was. */
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { command, output } from "../../tools/lib/command.ts";
import { CriNode } from "../support/cri/node.ts";
import { Docker } from "../support/docker.ts";
import { commandsOf, scriptOf } from "../support/howto.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { KATA_RUNTIME } from "../support/oci_cli.ts";
import { OtherRoot } from "../support/other_root.ts";
import { Podman } from "../support/podman.ts";
import { chosenNode } from "./suite.ts";

const FOLDERS = ["/etc", "/opt", "/usr/local"];
const WATCHED = ["/etc", "/opt", "/usr/local/bin"];
const CONFIG = "/etc/containerd/config.toml";
/** An administrator's own: each VM boots, as a template of this node would outlive it. */
const DROP_IN = "/etc/kata-containers/config.d/10-node.toml";

/** Writes what a clean node has. */
async function prepare(root: OtherRoot): Promise<void> {
  await root.output("rm", "-rf", "/etc/containerd", "/etc/kata-containers", "/opt/kata");
  await root.output("mkdir", "-p", "/etc/containerd", "/etc/crio", "/etc/kata-containers/config.d");
  await Deno.writeTextFile(root.path(DROP_IN), "[factory]\nenable_template = false\n");
}

Deno.test({
  name:
    "install on a clean node makes ctr, a CRI handler and Podman find us; uninstall leaves it as it was",
  // the node's connections end with it
  sanitizeOps: false,
  sanitizeResources: false,
}, async (test) => {
  const before = await snapshot();
  {
    await using root = await OtherRoot.make(FOLDERS);
    await prepare(root);
    const chosen = await chosenNode();
    const program = await root.wrap("containerd", chosen.program ?? "/usr/bin/containerd");
    let clean = "", text = "";
    {
      await using node = await CriNode.start({
        ...chosen,
        program,
        shimDir: "/usr/local/bin",
        configure: async (bare) => {
          text = bare;
          await Deno.writeTextFile(root.path(CONFIG), bare);
          clean = await root.fingerprint(WATCHED);
          await root.output(KATA_RUNTIME, "install", "--dry-run");
          assertEquals(await root.fingerprint(WATCHED), clean);
          assertStringIncludes(await root.output(KATA_RUNTIME, "install"), "restart containerd");
          return await Deno.readTextFile(root.path(CONFIG));
        },
      });
      await test.step("install a second time changes nothing", async () => {
        const first = await root.fingerprint(WATCHED);
        await root.output(KATA_RUNTIME, "install");
        assertEquals(await root.fingerprint(WATCHED), first);
      });
      await test.step("ctr, as the how-to page says: by name, by path, by ConfigPath", async () => {
        const commands = await commandsOf("containerd", "ctr");
        assertEquals(commands.length, 3);
        for (const each of commands) {
          const script = scriptOf(each, "ctr", node.containerd.argv());
          assertNotEquals((await output(["sh", "-c", script])).trim(), Deno.osRelease());
        }
      });
      await test.step("a pod, by the handler's name, with the node's own configuration", async () => {
        const pod = await node.runPod();
        const id = await node.run(pod);
        assertNotEquals(await node.sh(id, "uname -r"), Deno.osRelease());
        await node.removePod(pod);
      });
    }
    await test.step("Podman, as the how-to page says: by path and by name", async () => {
      await using podman = await Podman.start("kata", root.argv("podman"));
      const commands = await commandsOf("podman", "podman");
      assert(commands.length >= 5);
      for (const each of commands) {
        const script = scriptOf(each, "podman", podman.argv());
        const { code, stderr } = await command(["sh", "-c", script]);
        assertEquals(code, Number(/exit (\d+)/.exec(each)?.[1] ?? 0), `${each}: ${stderr}`);
      }
    });
    await test.step("Docker, as the how-to page says of 20.10", async () => {
      await using docker = await Docker.start("/usr/local/bin/kata-runtime", root.argv());
      const [each = ""] = await commandsOf("docker", "docker");
      const { code, stdout, stderr } = await command([
        ...["sh", "-c", scriptOf(each, "docker", docker.argv())],
      ] as [string, ...string[]]);
      assertEquals(code, 0, stderr);
      assertNotEquals(stdout.trim(), Deno.osRelease());
    });
    await test.step("uninstall", async () => {
      assertEquals(await root.output("/usr/local/bin/kata-runtime", "uninstall"), "");
      assertEquals(await Deno.readTextFile(root.path(CONFIG)), text);
      assertEquals(await root.fingerprint(WATCHED), clean);
    });
  }
  assertEquals(await leaks(before), []);
});
