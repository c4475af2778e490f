/** Everything of ours that lives while a sandbox does; a tmpfs on every distribution. */
const RUN = "/run/kata-containers";

/** Folder of all sandboxes' state. */
export const SANDBOXES = `${RUN}/sandboxes`;

/** Folder of the VMs that wait for their sandboxes, and of the sockets that hand them out. */
export const SPARES = `${RUN}/spares`;

/** One waiting VM's own folder (0700). */
export function spareFolder(key: string): string {
  return `${SPARES}/${key}`;
}

/** One sandbox's own folder (0700): its state file, its VM's sockets and logs. */
export function sandboxFolder(key: string): string {
  return `${SANDBOXES}/${key}`;
}
