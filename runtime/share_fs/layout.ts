import { Code, RuntimeError } from "../../common/base/errors.ts";

/** Folder of all sandboxes' shares. Source: Kata Containers' kataHostSharedDir. */
export const SHARES = "/run/kata-containers/shared/sandboxes";

/** The folders of one sandbox's share. */
export interface ShareLayout {
  readonly root: string;
  /** Where we mount; only root of the host looks in here. */
  readonly mounts: string;
  /** The same, read-only at the top, as the VMM exports it. */
  readonly shared: string;
  /** Where a mount gets its restrictions before anybody can see it. */
  readonly staging: string;
}

/** @throws {RuntimeError} InvalidArgument: the key is no single safe path component. */
export function shareLayout(base: string, key: string): ShareLayout {
  const root = `${base}/${checkName(key, "sandbox")}`;
  return { root, mounts: `${root}/mounts`, shared: `${root}/shared`, staging: `${root}/private` };
}

/** Ids become names of files; containerd and CRI-O allow no more than this. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}$/;

/** @throws {RuntimeError} InvalidArgument: not a single safe path component. */
export function checkName(id: string, what: string): string {
  if (NAME.test(id)) return id;
  throw new RuntimeError(
    Code.InvalidArgument,
    `Not a usable ${what} id: ${JSON.stringify(id.slice(0, 140))}`,
  );
}

/** Name of a shared file or folder: `<container>-<16 hex digits>-<name>`, as Kata Containers forms it. */
export function mountName(containerId: string, destination: string, random: Uint8Array): string {
  const digits = random.subarray(0, 8).toHex();
  const last = destination.split("/").findLast((part) => part !== "") ?? "root";
  return `${checkName(containerId, "container")}-${digits}-${
    last.replaceAll(/[^A-Za-z0-9_.-]/g, "_").slice(0, 64)
  }`;
}
