import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { RuntimeConfig } from "../config/config.ts";
import { sharedFsOf } from "../config/shared_fs.ts";
import { cleanUpFolder } from "./folder_share.ts";
import type { CopiedFiles } from "./copied_files.ts";
import { NoShare } from "./none.ts";
import { sandboxMounts } from "./sandbox_mounts.ts";
import type { ShareFs } from "./share_fs.ts";
import { VirtioFsShare } from "./virtio_fs.ts";
import { Virtio9pShare } from "./virtio_9p.ts";

/** What drivers are made with. */
export interface ShareContext {
  readonly config: Pick<RuntimeConfig, "hypervisor" | "runtime">;
  readonly sandboxKey: string;
  /** The sandbox's folder, for sockets of helpers. */
  readonly folder: string;
  readonly copies: CopiedFiles;
}

/**
 * The configured way to show files: the one place that names drivers.
 * @throws {RuntimeError} FailedPrecondition: what the configuration forces cannot be had here; names the key.
 */
export function createShareFs(context: ShareContext): ShareFs {
  const { config: { hypervisor, runtime }, sandboxKey, folder: stateDir, copies } = context;
  const mounts = sandboxMounts(runtime.sandboxBindMounts);
  switch (sharedFsOf(hypervisor)) {
    case "virtio-9p":
      if (hypervisor.rootless) throw needsRoot();
      return new Virtio9pShare({
        sandboxKey,
        sandboxMounts: mounts,
        msize: hypervisor.msize9p,
        cache: hypervisor.cache9p,
        securityModel: hypervisor.securityModel9p,
      });
    case "virtio-fs":
      if (hypervisor.virtioFsDaemon === "") throw withoutDaemon();
      return new VirtioFsShare({
        ...{ sandboxKey, stateDir, daemon: hypervisor, sandboxMounts: mounts },
      });
    case "none":
      if (mounts.length > 0) throw withoutShare();
      return new NoShare(copies);
  }
}

/** By virtio-9p the VMM itself reads and writes the files, whosoever they are. */
function needsRoot(): RuntimeError {
  return new RuntimeError(
    Code.FailedPrecondition,
    `rootless = true: with shared_fs = "virtio-9p" the VMM serves the files itself, as root; ` +
      `use shared_fs = "virtio-fs" or "none"`,
  );
}

function withoutShare(): RuntimeError {
  return new RuntimeError(
    Code.FailedPrecondition,
    `shared_fs = "none": sandbox_bind_mounts need a share to be seen by`,
  );
}

function withoutDaemon(): RuntimeError {
  return new RuntimeError(
    Code.FailedPrecondition,
    `shared_fs = "virtio-fs": virtiofsd was not found (set virtio_fs_daemon)`,
  );
}

/** Removes a sandbox's share, whichever driver made it, from any state and any process. Idempotent. */
export function cleanUpShare(sandboxKey: string): Promise<void> {
  return cleanUpFolder(sandboxKey);
}
