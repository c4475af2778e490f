import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { background, pidsOf } from "./background.ts";
import { transportCases, withConfig } from "./transports.ts";

const SANDBOXES = "/run/kata-containers/sandboxes";

/** How soon a client must learn that its container is no more, in milliseconds. */
const NOTICE_MS = 5_000;

const hybrid = (await transportCases()).find(({ name }) => name === "hybrid-vsock");

/** Types a line into the guest's debug console, through the bridge of a sandbox over hybrid vsock. */
async function typeInGuest(id: string, line: string): Promise<void> {
  const [key] = [...Deno.readDirSync(SANDBOXES)].map(({ name }) => name)
    .filter((name) => name.startsWith(`${id}-`));
  const folder = `${SANDBOXES}/${key}`;
  const bridge = [...Deno.readDirSync(folder)].map(({ name }) => name).find((name) =>
    /^vsock.*\.sock$/.test(name)
  );
  assert(bridge, `no bridge in ${folder}`);
  using shell = await Deno.connect({ transport: "unix", path: `${folder}/${bridge}` });
  await shell.write(new TextEncoder().encode("CONNECT 1026\n"));
  await shell.read(new Uint8Array(64));
  await shell.write(new TextEncoder().encode(`${line}\n`));
  const buffer = new Uint8Array(4096);
  while (await shell.read(buffer) !== null); // until the guest is no more
}

/** Runs a container, does something to it, and expects a failure that comes in time and leaves nothing. */
async function expectFailure(
  id: string,
  strike: (pids: { shim: number; vmm: number }) => void | Promise<void>,
  flags: readonly string[] = [],
): Promise<void> {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const child = await background(containerd, id, undefined, flags);
    const pids = await pidsOf(id);
    const since = Date.now();
    await strike(pids);
    const { code } = await child.finish();
    assert(Date.now() - since < NOTICE_MS, `the client learnt it after ${Date.now() - since} ms`);
    assertNotEquals(code, 0);
    assertEquals(await containerd.list("task"), []);
  }
  assertEquals(await leaks(before), []);
}

Deno.test("kill -9 of the VMM fails the container and leaves nothing", () =>
  expectFailure("vmm-dies", ({ vmm }) => Deno.kill(vmm, "SIGKILL")));

Deno.test("kill -9 of the shim fails the container and leaves nothing", () =>
  expectFailure("shim-dies", ({ shim }) => Deno.kill(shim, "SIGKILL")));

Deno.test("kill -9 of shim and VMM at once fails the container and leaves nothing", () =>
  expectFailure("both-die", ({ shim, vmm }) => {
    Deno.kill(shim, "SIGKILL");
    Deno.kill(vmm, "SIGKILL");
  }));

Deno.test({
  name: "kill -9 of the agent fails the container and leaves nothing",
  ignore: hybrid?.unavailable !== undefined,
  fn: () =>
    expectFailure(
      "agent-dies",
      () => typeInGuest("agent-dies", "kill -9 $(pidof kata-agent)"),
      withConfig(
        [
          "[hypervisor.qemu]",
          'transport = "hybrid-vsock"',
          "[agent.kata]",
          "debug_console_enabled = true",
        ],
      ),
    ),
});

Deno.test("a VMM that is stopped does not keep State from answering, nor Kill from ending it", async () => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const child = await background(containerd, "vmm-stops");
    const { vmm } = await pidsOf("vmm-stops");
    Deno.kill(vmm, "SIGSTOP");
    const since = Date.now();
    await containerd.ctrOutput(["task", "ls"]);
    assert(Date.now() - since < 2_000, `State took ${Date.now() - since} ms`);
    Deno.kill(vmm, "SIGKILL");
    assertNotEquals((await child.finish()).code, 0);
  }
  assertEquals(await leaks(before), []);
});
