/** The VMMs and transports that are compared: whoever adds one adds an entry here. */
import { exists } from "../../../common/base/exists.ts";
import { jailerProgram } from "../../vmm/program.ts";
import { vmmUnderTest } from "../../vmm/served_vmm.ts";

/** One column of the table. */
export interface Variant {
  readonly label: string;
  /** Lines of the configuration, of the VMM's own table. */
  readonly config: readonly string[];
  /** Why it cannot be measured here; empty when it can. */
  readonly absent: string;
}

function programOnPath(name: string): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.map((folder) => `${folder}/${name}`).find(exists);
}

function qemu(label: string, transport: string, absent: string, machine = "q35"): Variant {
  const config = [`machine_type = "${machine}"`, `transport = "${transport}"`];
  return { label, config: ["[hypervisor.qemu]", ...config], absent };
}

/** @param folder Gets programs. */
export async function variants(folder: string): Promise<Variant[]> {
  const clh = await vmmUnderTest("cloud_hypervisor", folder);
  const firecracker = await vmmUnderTest("firecracker", folder);
  const how = ({ real }: { readonly real: boolean }): string =>
    real ? "" : " (conforming server over QEMU)";
  const jailer = firecracker.real ? Deno.env.get("KATA_TEST_JAILER") : await jailerProgram(folder);
  const helper = programOnPath("vhost-device-vsock");
  return [
    qemu("qemu q35, serial", "serial", ""),
    qemu(
      "qemu q35, hybrid vsock",
      "hybrid-vsock",
      helper ? "" : "vhost-device-vsock is not installed",
    ),
    qemu(
      "qemu q35, vsock",
      "vsock",
      exists("/dev/vhost-vsock") ? "" : "the host's kernel lacks vhost_vsock",
    ),
    {
      label: `Cloud Hypervisor, hybrid vsock${how(clh)}`,
      config: ["[hypervisor.clh]", `path = "${clh.program}"`],
      absent: clh.absent,
    },
    {
      label: `Firecracker, hybrid vsock${how(firecracker)}`,
      config: ["[hypervisor.firecracker]", `path = "${firecracker.program}"`],
      absent: firecracker.absent,
    },
    {
      label: `Firecracker in its jailer, hybrid vsock${how(firecracker)}`,
      config: [
        "[hypervisor.firecracker]",
        `path = "${firecracker.program}"`,
        `jailer_path = "${jailer ?? ""}"`,
      ],
      absent: firecracker.absent || (jailer ? "" : "KATA_TEST_JAILER names none"),
    },
  ];
}
