/** The transports that this host can offer, each with a configuration file that forces it. */
import { output } from "../../tools/lib/command.ts";

/** A way between host and guest, and the flags by which `ctr run` asks for it. */
export interface TransportCase {
  readonly name: string;
  readonly flags: readonly string[];
  /** Why it cannot be tried here, if so. */
  readonly unavailable?: string;
}

async function isInstalled(program: string): Promise<boolean> {
  try {
    await output([program, "--version"]);
    return true;
  } catch {
    return false; // not there or not runnable: the case is skipped by name
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

function configFile(name: string, lines: string): string {
  const path = Deno.makeTempFileSync({ prefix: `kata-${name}-`, suffix: ".toml" });
  Deno.writeTextFileSync(path, lines);
  return path;
}

/** A configuration, as flags for `ctr run`; without a template of its own, which few of them would live to use. */
export function withConfig(lines: readonly string[]): string[] {
  const all = [...lines, "[factory]", "enable_template = false"];
  return ["--runtime-config-path", configFile("config", `${all.join("\n")}\n`)];
}

/** A configuration of lines under `[hypervisor.qemu]`, as flags for `ctr run`. */
export function withHypervisor(...lines: readonly string[]): string[] {
  return withConfig(["[hypervisor.qemu]", ...lines]);
}

/** Every transport, those that cannot be tried here with the reason. */
export async function transportCases(): Promise<TransportCase[]> {
  const vhost = await exists("/dev/vhost-vsock");
  const device = await isInstalled("vhost-device-vsock");
  return [
    { name: "serial", flags: withHypervisor('transport = "serial"') },
    {
      name: "hybrid-vsock",
      flags: withHypervisor('transport = "hybrid-vsock"'),
      ...(device ? {} : { unavailable: "vhost-device-vsock is not installed" }),
    },
    {
      name: "vsock",
      flags: withHypervisor('transport = "vsock"'),
      ...(vhost ? {} : { unavailable: "the host's kernel lacks vhost_vsock" }),
    },
  ];
}
