import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { command } from "../../tools/lib/command.ts";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { background } from "./background.ts";
import { transportCases, withHypervisor } from "./transports.ts";

const SANDBOXES = "/run/kata-containers/sandboxes";
const hybrid = (await transportCases()).find(({ name }) => name === "hybrid-vsock");

function temporaryFile(content: string): string {
  const path = Deno.makeTempFileSync();
  Deno.writeTextFileSync(path, content);
  return path;
}

/** Connects, writes noise of several shapes, and leaves; the peer may close at any time. */
async function sendNoise(path: string, first = ""): Promise<void> {
  for (const size of [1, 10, 4096, 100_000]) {
    const noise = crypto.getRandomValues(new Uint8Array(Math.min(size, 65536)));
    try {
      using connection = await Deno.connect({ transport: "unix", path });
      await connection.write(new TextEncoder().encode(first));
      if (first !== "") await connection.read(new Uint8Array(64));
      await connection.write(noise);
      await connection.closeWrite();
      await connection.read(new Uint8Array(64));
    } catch (error) {
      const closed = error instanceof Deno.errors.BrokenPipe ||
        error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.NotConnected;
      if (!closed) throw error;
    }
  }
}

Deno.test("bad input is refused by name and leaves nothing", async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const refused = async (
      id: string,
      flags: readonly string[],
      message: RegExp,
    ): Promise<void> => {
      const { code, stderr } = await containerd.run(id, ["true"], { flags });
      assertNotEquals(code, 0);
      assertMatch(stderr, message);
    };

    await test.step("an unknown key, with file and line", () =>
      refused("key", withHypervisor("", 'kernl = "/x"'), /\.toml" line 3: unknown key "kernl"/));

    await test.step("a value of the wrong type", () =>
      refused("type", withHypervisor('default_memory = "much"'), /line 2: default_memory/));

    await test.step("a configuration that is not there", () =>
      refused("gone", ["--runtime-config-path", "/no/such.toml"], /\/no\/such\.toml/));

    await test.step("a kernel that is not there", () =>
      refused(
        "kernel",
        withHypervisor('kernel = "/no/such/vmlinux"'),
        /line 2: kernel "\/no\/such\/vmlinux"/,
      ));

    await test.step("an initrd that is none", () => {
      const path = temporaryFile("this is no initrd");
      return refused("initrd", withHypervisor(`initrd = "${path}"`), new RegExp(path));
    });

    await test.step("a kernel that is none", () => {
      const path = temporaryFile("this is no kernel");
      return refused("nokernel", withHypervisor(`kernel = "${path}"`), new RegExp(path));
    });

    await test.step("nothing is left of what was refused", async () => {
      const left = (await leaks(before)).filter((line) => !line.includes(containerd.directory));
      assertEquals(left, []);
    });
  }
  assertEquals(await leaks(before), []);
});

Deno.test("start refuses a bundle whose config.json is truncated, missing or absent", async () => {
  const before = await snapshot();
  const bundle = await Deno.makeTempDir();
  const start = (): ReturnType<typeof command> =>
    command([SHIM_PATH, "-namespace", "test", "-id", "bad", "-address", "", "start"], {
      cwd: bundle,
    });
  const missing = await start();
  assertEquals(missing.code, 1);
  assertMatch(missing.stderr, new RegExp(`${bundle}/config.json`));
  await Deno.writeTextFile(`${bundle}/config.json`, '{"ociVersion":"1.0.2","root":{"path":');
  const truncated = await start();
  assertEquals(truncated.code, 1);
  assertMatch(truncated.stderr, /Cannot use bundle configuration/);
  assertEquals(await leaks(before), []);
});

Deno.test("the shim refuses a command line that makes no sense", async () => {
  const { code, stdout, stderr } = await command([SHIM_PATH, "-no-such-flag", "start"]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /unknown flag -no-such-flag/);
});

Deno.test("noise on the shim's socket harms nobody", async () => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const sockets = new Set([...before.get("shim socket") ?? []]);
    const child = await background(containerd, "noise");
    const [socket] = [...(await snapshot()).get("shim socket") ?? []].filter((name) =>
      !sockets.has(name)
    );
    assert(socket);
    await sendNoise(`/run/containerd/s/${socket}`);
    assertMatch(await containerd.ctrOutput(["task", "ls"]), /noise\s+\d+\s+RUNNING/);
    await containerd.ctrOutput(["task", "kill", "-s", "SIGTERM", "noise"]);
    assertEquals((await child.finish()).code, 5);
  }
  assertEquals(await leaks(before), []);
});

Deno.test({
  name: "noise on the agent's port harms nobody",
  ignore: hybrid?.unavailable !== undefined,
  fn: async () => {
    const before = await snapshot();
    {
      await using containerd = await Containerd.start();
      const child = await background(containerd, "agentnoise", undefined, hybrid?.flags);
      const [key] = [...Deno.readDirSync(SANDBOXES)].map(({ name }) => name)
        .filter((name) => name.startsWith("agentnoise-"));
      const folder = `${SANDBOXES}/${key}`;
      const sockets = [...Deno.readDirSync(folder)].map(({ name }) => name);
      const bridge = sockets.find((name) => /vsock/.test(name) && name.endsWith(".sock"));
      assert(bridge, `no bridge among ${sockets}`);
      await sendNoise(`${folder}/${bridge}`, "CONNECT 1024\n");
      await containerd.ctrOutput(["task", "kill", "-s", "SIGTERM", "agentnoise"]);
      assertEquals((await child.finish()).code, 5);
    }
    assertEquals(await leaks(before), []);
  },
});
