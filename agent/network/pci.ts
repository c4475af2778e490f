/** Where network cards appear in /sys. */
import { Code, RuntimeError } from "../../common/base/errors.ts";

const PCI_ROOT = "/sys/devices/pci0000:00";
/** A slot in hexadecimal, and its function unless that is 0; one for each bus on the way. */
const PATH = /^[01][0-9a-f](\.[0-7])?(\/[01][0-9a-f](\.[0-7])?){0,7}$/;

/**
 * Name of the interface of the card at a PCI path, `18.1` or `10/00`; `undefined` while there is none.
 * @throws {RuntimeError} InvalidArgument: no such form.
 */
export function pciInterface(path: string): string | undefined {
  if (!PATH.test(path)) {
    throw new RuntimeError(Code.InvalidArgument, `${JSON.stringify(path)} is not a PCI path`);
  }
  let folder: string | undefined = PCI_ROOT;
  for (const step of path.split("/")) {
    const slot = step.includes(".") ? step : `${step}.0`;
    folder = folder && childNamed(folder, new RegExp(`^[0-9a-f]{4}:[0-9a-f]{2}:${slot}$`));
  }
  const virtio = folder && childNamed(folder, /^virtio\d+$/);
  const net = virtio && childNamed(`${virtio}/net`, /./);
  return net?.slice(net.lastIndexOf("/") + 1);
}

function childNamed(folder: string, name: RegExp): string | undefined {
  try {
    for (const entry of Deno.readDirSync(folder)) {
      if (name.test(entry.name)) return `${folder}/${entry.name}`;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return undefined;
}
