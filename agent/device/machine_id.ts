/** Who this machine is, for programs that ask: a clone of a template must not be taken for another clone. */
import { mount, MS_BIND } from "../../common/linux/mount.ts";

const FILE = "/etc/machine-id";
/** A new one at each reading, from the kernel's generator: not from ours, whose state clones share. */
const UUID = "/proc/sys/kernel/random/uuid";

/** Binds a file with a new machine id over the image's, which may be read-only. */
export async function renewMachineId(folder: string): Promise<void> {
  const file = `${folder}/machine-id`;
  await Deno.mkdir(folder, { recursive: true });
  await writeMachineId(file);
  mount(file, FILE, "", MS_BIND);
}

/** Writes a new machine id. Source: machine-id(5): 32 hexadecimal digits. */
export async function writeMachineId(file: string): Promise<void> {
  const uuid = await Deno.readTextFile(UUID);
  await Deno.writeTextFile(file, `${uuid.trim().replaceAll("-", "")}\n`, { mode: 0o444 });
}
