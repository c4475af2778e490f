/** The ways in which files come into a guest, as configurations. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MountSchema } from "../../../common/protocol/gen/containerd/mount_pb.ts";
import type { HostVolumes } from "./host_volumes.ts";

/** What a root file system is on, which decides what it can do. */
export type StorageKind = "9p" | "virtio-fs in C" | "virtio-fs in Rust" | "block";

export interface StorageDriver {
  readonly id: string;
  readonly name: string;
  readonly kind: StorageKind;
  readonly config: readonly string[];
  /** The VMM runs as another user. */
  readonly rootless?: boolean;
  /** Set where this driver's block devices are tried, too. */
  readonly blockDriver?: "virtio-scsi" | "virtio-blk";
  /** The root file system of the pod's containers; none: a folder of the host. */
  readonly rootfs?: (volumes: HostVolumes) => Promise<Mounts>;
  /** The same of the pod's first container. */
  readonly podRootfs?: (volumes: HostVolumes) => Promise<Mounts>;
  readonly unavailable?: string;
}

/**
 * Where each kind may differ from a file system of the host's own; docs/storage.md lists the same. Releases of kernel
 * and QEMU fill these gaps one by one.
 */
export const POSIX_DIFFERENCES: Readonly<Record<StorageKind, readonly string[]>> = {
  "9p": [
    ...["a file lives after unlink", "SEEK_DATA", "pipes", "sockets", "O_TMPFILE", "fallocate"],
    ...["times", "file capabilities"],
  ],
  "virtio-fs in C": ["O_TMPFILE"],
  "virtio-fs in Rust": ["O_TMPFILE"],
  "block": [],
};

/** The cases that a run of posix_cases names as failed. */
export function posixProblems(stdout: string): { readonly name: string; readonly why: string }[] {
  const lines = stdout.split("\n").filter((line) => /^[\w -]+: /.test(line));
  return lines.flatMap((line) => {
    const at = line.indexOf(": ");
    const why = line.slice(at + 2);
    return why === "ok" ? [] : [{ name: line.slice(0, at), why }];
  });
}

type Mounts = MessageInitShape<typeof MountSchema>[];

async function image(volumes: HostVolumes, type: "ext4" | "erofs"): Promise<Mounts[number]> {
  return { type, source: await volumes.image(type), options: [] };
}

/** Read-only layers, written to in memory. */
async function stacked(volumes: HostVolumes): Promise<Mounts> {
  const upper = { type: "erofs", source: await volumes.smallLayer(), options: [] };
  return [await image(volumes, "erofs"), upper];
}

function which(program: string): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.map((folder) => `${folder}/${program}`).find(isFile);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // not there, or nothing that we may look at
  }
}

/** The ways that a VMM without privileges has. */
export async function rootlessDrivers(): Promise<StorageDriver[]> {
  const able = (await storageDrivers()).filter(({ kind }) => kind !== "9p");
  return able.map((driver) => ({
    ...driver,
    id: `${driver.id}u`,
    name: `${driver.name}, the VMM as another user`,
    config: [...driver.config, "rootless = true"],
    rootless: true,
  }));
}

/** Every way, those that cannot be tried here with the reason. */
export function storageDrivers(): Promise<StorageDriver[]> {
  const slow = Deno.env.has("KATA_TEST_SLOW") ? ["[agent.kata]", "dial_timeout = 900"] : [];
  const qemu = (...lines: string[]): string[] => [...slow, "[hypervisor.qemu]", ...lines];
  const c = "/usr/lib/qemu/virtiofsd", rust = which("virtiofsd");
  const daemon = (path: string | undefined): string[] =>
    qemu('shared_fs = "virtio-fs"', `virtio_fs_daemon = "${path ?? ""}"`);
  const isC = isFile(c);
  return Promise.resolve([
    {
      ...{ id: "9p", name: "virtio-9p and virtio-scsi", kind: "9p", blockDriver: "virtio-scsi" },
      config: qemu('shared_fs = "virtio-9p"'),
    },
    {
      ...{
        id: "fsc",
        name: "virtio-fs (virtiofsd in C)",
        kind: "virtio-fs in C",
        config: daemon(c),
      },
      ...(isC ? {} : { unavailable: "QEMU brings no virtiofsd" }),
    },
    {
      ...{ id: "fsr", name: "virtio-fs (virtiofsd in Rust)", kind: "virtio-fs in Rust" },
      config: daemon(rust),
      ...(rust ? {} : { unavailable: "virtiofsd is not installed" }),
    },
    {
      ...{
        id: "none",
        name: "block devices and copies alone",
        kind: "block",
        blockDriver: "virtio-blk",
      },
      config: qemu('shared_fs = "none"', 'block_device_driver = "virtio-blk"'),
      rootfs: async (volumes) => [await image(volumes, "ext4")],
      podRootfs: stacked,
    },
  ]);
}
