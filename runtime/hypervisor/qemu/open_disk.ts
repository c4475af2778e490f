import { O, open } from "../../../common/linux/fd.ts";
import { OwnedFd } from "../../../common/linux/owned_fd.ts";
import type { Disk } from "../device.ts";
import type { QmpClient } from "./qmp.ts";

/**
 * Opens a disk for a QEMU that may not, and hands it over under the path that `use` gets; QEMU keeps what it has opened
 * by that. Source: QEMU's QAPI schema, add-fd.
 * @throws {SyscallError} The disk cannot be opened.
 */
export async function withOpenDisk(
  qmp: Pick<QmpClient, "execute">,
  { path, readonly }: Disk,
  use: (path: string) => Promise<unknown>,
): Promise<void> {
  using fd = new OwnedFd(open(path, readonly ? O.RDONLY : O.RDWR));
  const set = fdSet(await qmp.execute("add-fd", {}, { fd: fd.fd }));
  try {
    await use(`/dev/fdset/${set}`);
  } finally {
    await qmp.execute("remove-fd", { "fdset-id": set });
  }
}

function fdSet(answer: unknown): number {
  const id = typeof answer === "object" && answer !== null && "fdset-id" in answer
    ? answer["fdset-id"]
    : undefined;
  if (typeof id !== "number") {
    throw new TypeError(`Not an answer to add-fd: ${JSON.stringify(answer)}`);
  }
  return id;
}
