/** The machine as the suites see it: they run in private namespaces, and this gives them fresh folders there. */
import { command, output } from "../../tools/lib/command.ts";
import { REGISTRY_ADDRESS, REGISTRY_HOSTS } from "./registry.ts";

/** Folders that a daemon with default paths writes to. */
const FRESH = ["/run", "/var/lib"];

/** @throws {Error} This process shares its mounts with the machine's first process. */
async function requirePrivateMounts(): Promise<void> {
  const parent = await output(["stat", "-L", "-c", "%i", "/proc/1/ns/mnt"]);
  if (parent !== await output(["stat", "-L", "-c", "%i", "/proc/self/ns/mnt"]) || Deno.pid > 100) {
    throw new Error("Not in namespaces of its own: start it with tools/conformance");
  }
}

async function sendNamesToRegistry(folder: string): Promise<void> {
  const lines = REGISTRY_HOSTS.map((host) => `${REGISTRY_ADDRESS} ${host}\n`);
  const hosts = await Deno.readTextFile("/etc/hosts");
  await Deno.writeTextFile(`${folder}/hosts`, hosts + "\n" + lines.join(""));
  await output(["mount", "--bind", `${folder}/hosts`, "/etc/hosts"]);
}

/** Empty folders where daemons keep state, the registries' names sent to ours, loopback up. */
export async function furnish(folder: string): Promise<void> {
  await requirePrivateMounts();
  await output(["ip", "link", "set", "lo", "up"]);
  await sendNamesToRegistry(folder);
  for (const path of FRESH) await output(["mount", "-t", "tmpfs", "tmpfs", path]);
  for (const path of ["/run/netns", "/run/lock"]) await Deno.mkdir(path, { recursive: true });
}

/** Between two runs: nothing of the first may meet the second. */
export async function refurnish(): Promise<void> {
  for (const path of FRESH) {
    await command(["umount", "-l", path]);
    await output(["mount", "-t", "tmpfs", "tmpfs", path]);
  }
  await Deno.mkdir("/run/netns", { recursive: true });
}
