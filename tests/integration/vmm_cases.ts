/** The VMMs under test, one configuration for all of them, and what each can do. */
import { DIST } from "../../tools/lib/paths.ts";
import { output } from "../../tools/lib/command.ts";
import { vmmUnderTest } from "../vmm/served_vmm.ts";

/** A VMM by its name in the configuration. */
export interface VmmCase {
  readonly name: "qemu" | "clh" | "firecracker";
  /** Why it cannot be tried here; empty when it can. */
  readonly absent: string;
  /** What shows the host's folders to the guest; none: root file systems are disks. */
  readonly shares: boolean;
}

export interface VmmCases {
  readonly cases: readonly VmmCase[];
  /** Flags of `ctr run` for a VMM: configurations that differ in one line. */
  flags(name: VmmCase["name"]): readonly string[];
}

/** @param folder Gets programs and configurations. */
export async function vmmCases(folder: string, more: readonly string[] = []): Promise<VmmCases> {
  const clh = await vmmUnderTest("cloud_hypervisor", folder);
  const firecracker = await vmmUnderTest("firecracker", folder);
  const configuration = (name: string): string[] => [
    ...["[hypervisor.qemu]", "default_memory = 512"],
    ...["[hypervisor.clh]", `path = "${clh.program}"`, "default_memory = 512"],
    ...["[hypervisor.firecracker]", `path = "${firecracker.program}"`, "default_memory = 512"],
    ...["[agent.kata]", "dial_timeout = 120", "[factory]", "enable_template = false"],
    ...more,
    ...["[runtime]", `hypervisor_name = "${name}"`],
  ];
  return {
    cases: [
      { name: "qemu", absent: "", shares: true },
      { name: "clh", absent: clh.absent, shares: true },
      { name: "firecracker", absent: firecracker.absent, shares: false },
    ],
    flags: (name) => {
      const path = `${folder}/${name}.toml`;
      Deno.writeTextFileSync(path, `${configuration(name).join("\n")}\n`);
      return ["--runtime-config-path", path];
    },
  };
}

/** The process of a sandbox's VMM. */
export async function vmmPid(id: string): Promise<number> {
  const states = JSON.parse(await output([`${DIST}/kata-runtime`, "sandboxes", "--json"]));
  const state = states.find((each: { id: string }) => each.id === id);
  const roles = ["qemu", "cloud-hypervisor", "firecracker"];
  return state.vm.processes.find(({ role }: { role: string }) => roles.includes(role)).pid;
}
