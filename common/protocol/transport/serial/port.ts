import { FdStream } from "../../../linux/fd_stream.ts";
import { O, open } from "../../../linux/fd.ts";
import { SERIAL_PORT_NAME } from "../address.ts";
import { SerialListener } from "./listener.ts";

/** One folder for each virtio-serial port; its file `name` holds the name the host gave it. */
const PORTS_FOLDER = "/sys/class/virtio-ports";

/**
 * The device of the agent's virtio-serial port, such as /dev/vport0p1.
 * @returns `undefined` when this guest has none.
 */
export async function findSerialPort(
  folder: string = PORTS_FOLDER,
  name: string = SERIAL_PORT_NAME,
): Promise<string | undefined> {
  try {
    for await (const port of Deno.readDir(folder)) {
      const found = await Deno.readTextFile(`${folder}/${port.name}/name`);
      if (found.trimEnd() === name) return `/dev/${port.name}`;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return undefined;
}

/**
 * Listens on a virtio-serial port.
 * @throws {SyscallError} EBUSY: another program has it open.
 */
export function listenSerial(path: string): SerialListener {
  const fd = open(path, O.RDWR | O.NONBLOCK | O.NOCTTY);
  return new SerialListener(new FdStream(fd, { hangupIsIdle: true, gather: true }));
}
