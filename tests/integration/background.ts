/** Containers that run while a test does something to them. */
import { assertEquals } from "@std/assert";
import { output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { type Containerd, SHIM_PATH } from "../support/containerd.ts";

/** A `ctr run` in the background. */
export interface Background {
  /** Waits for its end. */
  finish(): Promise<{ readonly code: number; readonly stderr: string }>;
}

/** Runs until told to end by a signal; says `up` first. */
const FOREVER = "trap 'exit 5' TERM; echo up; while :; do sleep 1000 & wait; done";

/** Starts a container and waits until it has printed `up`. */
export async function background(
  containerd: Containerd,
  id: string,
  script = FOREVER,
  flags: readonly string[] = [],
): Promise<Background> {
  const run = ["run", "--rm", "--runtime", SHIM_PATH, ...flags, BUSYBOX, id, "sh", "-c", script];
  const [program, ...args] = containerd.argv(...run);
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "piped" })
    .spawn();
  const stderr = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assertEquals(new TextDecoder().decode(value), "up\n", value ? "" : await stderr);
  const rest = (async () => {
    while (!(await reader.read()).done);
  })();
  return {
    finish: async () => {
      const [status, text] = await Promise.all([child.status, stderr, rest]);
      return { code: status.code, stderr: text };
    },
  };
}

/** The pids of a sandbox as `kata-runtime sandboxes` tells them. */
export async function pidsOf(id: string): Promise<{ readonly shim: number; readonly vmm: number }> {
  const states = JSON.parse(await output([`${DIST}/kata-runtime`, "sandboxes", "--json"]));
  const state = states.find((each: { id: string }) => each.id === id);
  return {
    shim: state.shim.pid,
    vmm: state.vm.processes.find(({ role }: { role: string }) => role === "qemu").pid,
  };
}
