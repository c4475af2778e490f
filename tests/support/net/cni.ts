/** Runs CNI plug-ins as engines do. Source: the CNI specification, sections 2 to 4. */
import { command, output } from "../../../tools/lib/command.ts";

/** Where Debian's containernetworking-plugins are. */
const PLUGINS = "/usr/lib/cni";
const CNI_VERSION = "1.0.0";

/** A plug-in's configuration. */
export interface Plugin {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** A chain of plug-ins that make one interface. */
export interface Network {
  readonly name: string;
  readonly plugins: readonly Plugin[];
}

/** Whether the plug-ins are installed. */
export async function hasCni(): Promise<boolean> {
  return await Deno.stat(`${PLUGINS}/bridge`).then(() => true, () => false);
}

async function invoke(
  verb: "ADD" | "DEL",
  plugin: Plugin,
  attachment: { readonly id: string; readonly netns: string; readonly ifname: string },
): Promise<string> {
  const { code, stdout, stderr } = await command([`${PLUGINS}/${plugin.type}`], {
    env: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: attachment.id,
      CNI_NETNS: attachment.netns,
      CNI_IFNAME: attachment.ifname,
      CNI_PATH: PLUGINS,
    },
    stdin: JSON.stringify(plugin),
  });
  if (code !== 0) throw new Error(`CNI ${plugin.type} ${verb}: ${stdout}${stderr}`);
  return stdout;
}

/** A pod's network namespace and what plug-ins made in it; disposal takes all back. */
export class CniPod implements AsyncDisposable {
  readonly #undo = new AsyncDisposableStack();

  private constructor(readonly name: string) {}

  static async make(name: string): Promise<CniPod> {
    await output(["ip", "netns", "add", name]);
    const pod = new CniPod(name);
    pod.#undo.defer(async () => void await output(["ip", "netns", "del", name]));
    return pod;
  }

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  /** Runs a network's plug-ins one after the other, each told what the ones before made. */
  async add({ name, plugins }: Network, ifname: string): Promise<void> {
    const attachment = { id: this.name, netns: this.path, ifname };
    let prevResult: unknown;
    for (const plugin of plugins) {
      const config = {
        cniVersion: CNI_VERSION,
        name,
        ...plugin,
        ...(prevResult ? { prevResult } : {}),
      };
      prevResult = JSON.parse(await invoke("ADD", config, attachment));
      const result = prevResult;
      this.#undo.defer(async () => {
        await invoke("DEL", { ...config, prevResult: result }, attachment);
      });
    }
  }

  /** Runs a program inside. */
  async run(...argv: string[]): Promise<string> {
    return await output(["ip", "netns", "exec", this.name, ...argv]);
  }

  /** What a program prints, or says when it fails. */
  async try(...argv: string[]): Promise<string> {
    const { stdout, stderr } = await command(["ip", "netns", "exec", this.name, ...argv]);
    return stdout + stderr;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}

/** The addresses of a pod's interface, as its namespace on the host tells, without those of the link. */
export async function addressesOf(pod: CniPod, name: string): Promise<string[]> {
  const [link] = JSON.parse(await pod.run("ip", "-json", "addr", "show", name));
  return link.addr_info.filter(({ scope }: { scope: string }) => scope === "global")
    .map(({ local }: { local: string }) => local);
}
