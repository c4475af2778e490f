/** The VMMs under test, one configuration for all of them, and what each can do. */
import { DIST } from "../../tools/lib/paths.ts";
import { output } from "../../tools/lib/command.ts";
import { jailerProgram } from "../vmm/program.ts";
import { vmmUnderTest } from "../vmm/served_vmm.ts";

/** A VMM by its name in the configuration. */
export interface VmmCase {
  readonly name: VmmName;
  /** For people, where one VMM is run in several ways. */
  readonly title: string;
  /** Why it cannot be tried here; empty when it can. */
  readonly absent: string;
  /** What shows the host's folders to the guest; none: root file systems are disks. */
  readonly shares: boolean;
  /** Firecracker is started by its jailer. */
  readonly jailed?: boolean;
}

type VmmName = "qemu" | "clh" | "firecracker";

export interface VmmCases {
  readonly cases: readonly VmmCase[];
  /** Lines of a configuration; they differ in one from VMM to VMM, but for the jailer. */
  lines(vmm: VmmCase): readonly string[];
  /** The same as flags of `ctr run`, without templates. */
  flags(vmm: VmmCase): readonly string[];
}

const MEMORY = "default_memory = 512";

/** @param folder Gets programs and configurations. */
export async function vmmCases(folder: string): Promise<VmmCases> {
  const clh = await vmmUnderTest("cloud_hypervisor", folder);
  const firecracker = await vmmUnderTest("firecracker", folder);
  const given = Deno.env.get("KATA_TEST_JAILER");
  const jailer = firecracker.real ? given : await jailerProgram(folder);
  const noJailer = jailer === undefined ? "KATA_TEST_JAILER names none" : "";
  const lines = ({ name, jailed }: VmmCase): string[] => [
    ...["[hypervisor.qemu]", MEMORY],
    ...["[hypervisor.clh]", `path = "${clh.program}"`, MEMORY],
    ...["[hypervisor.firecracker]", `path = "${firecracker.program}"`, MEMORY],
    ...(jailed ? [`jailer_path = "${jailer}"`] : []),
    ...["[agent.kata]", "dial_timeout = 120"],
    ...["[runtime]", `hypervisor_name = "${name}"`],
  ];
  return {
    cases: [
      { name: "qemu", title: "qemu", absent: "", shares: true },
      { name: "clh", title: "clh", absent: clh.absent, shares: true },
      {
        ...{ name: "firecracker", title: "firecracker", shares: false },
        absent: firecracker.absent,
      },
      {
        ...{ name: "firecracker", title: "firecracker in its jailer", shares: false, jailed: true },
        absent: firecracker.absent || noJailer,
      },
    ],
    lines,
    flags: (vmm) => {
      const path = `${folder}/${vmm.title.replaceAll(" ", "-")}.toml`;
      const all = [...lines(vmm), "[factory]", "enable_template = false", ""];
      Deno.writeTextFileSync(path, all.join("\n"));
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
