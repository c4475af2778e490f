/** What tests of the engines' own networks do, in containers of Docker or Podman. */
import { assert } from "@std/assert";
import type { CommandResult } from "../../tools/lib/command.ts";

/** An engine's command line. */
export interface Engine {
  call(args: readonly string[]): Promise<CommandResult>;
  output(...args: readonly string[]): Promise<string>;
}

/** The image that both have. */
const IMAGE = "busybox";
const SERVE = "mkdir /w; echo page >/w/x; exec httpd -f -p 80 -h /w";
/** What {@linkcode serve} serves. */
export const PAGE = "page";
/** Longest wait for what the guest tells nobody of. */
const WAIT_MS = 60_000;

/** Starts a container that serves {@linkcode PAGE} as /x. */
export async function serve(engine: Engine, name: string, ...flags: string[]): Promise<void> {
  await engine.output("run", "-d", "--name", name, ...flags, IMAGE, "sh", "-c", SERVE);
}

/** Starts a container that waits for what is done in it. */
export async function idle(engine: Engine, name: string, ...flags: string[]): Promise<void> {
  await engine.output("run", "-d", "--name", name, ...flags, IMAGE, "sleep", "1000");
}

/** Ethernet interfaces of a container without a network. */
export async function linksWithout(engine: Engine): Promise<string[]> {
  const list = ["run", "--rm", "--network", "none", IMAGE, "ls", "/sys/class/net"];
  return (await engine.output(...list)).split("\n").filter((name) => /^(eth|en)/.test(name));
}

/** Fetches the page from within a container from whoever has a name or address, once that listens. */
export async function fetchIn(engine: Engine, container: string, host: string): Promise<string> {
  const script = `until wget -qO- http://${host}/x; do sleep 0.2; done`;
  return await engine.output("exec", container, "timeout", "60", "sh", "-c", script);
}

/** A container's address on a network, as the engine tells it. */
export async function addressOn(
  engine: Engine,
  network: string,
  container: string,
): Promise<string> {
  const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  return await engine.output("inspect", "--format", format, container);
}

/** Waits until the guest's interfaces are as they should be. */
export async function untilAddresses(
  engine: Engine,
  container: string,
  holds: (text: string) => boolean,
): Promise<void> {
  for (const deadline = Date.now() + WAIT_MS;;) {
    const text = await engine.output("exec", container, "ip", "-o", "addr");
    if (holds(text)) return;
    assert(Date.now() < deadline, text);
  }
}
