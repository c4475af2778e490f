import { close, setNonblocking } from "../../common/linux/fd.ts";
import { hasCapability, openFilesLimit } from "../../common/linux/process_limits.ts";
import { unixListen } from "../../common/linux/socket.ts";
import type { ShareVirtioFs } from "../hypervisor/device.ts";
import { exitText } from "../hypervisor/exit_text.ts";
import type { VmProcess } from "../hypervisor/vm_state.ts";
import { RunningVmProcess } from "../hypervisor/vm_process.ts";
import { FolderShare, type FolderShareOptions, TAG } from "./folder_share.ts";
import { GUEST_SHARE, type GuestStorage } from "./share_fs.ts";
import {
  LISTEN_FD,
  virtiofsdArguments,
  virtiofsdKind,
  type VirtiofsdOptions,
} from "./virtiofsd.ts";

export interface VirtioFsShareOptions extends FolderShareOptions {
  /** The VM's state folder: for the socket, and so that a clean-up finds the daemon. */
  readonly stateDir: string;
  readonly daemon: VirtiofsdOptions;
}

/** A folder that virtiofsd serves by virtio-fs. */
export class VirtioFsShare extends FolderShare {
  readonly name = "virtio-fs";
  readonly #options: VirtioFsShareOptions;
  readonly #lost = Promise.withResolvers<string>();
  #daemon: RunningVmProcess | undefined;

  constructor(options: VirtioFsShareOptions) {
    super(options);
    this.#options = options;
  }

  get processes(): readonly VmProcess[] {
    return this.#daemon ? [this.#daemon.saved] : [];
  }

  get lost(): Promise<string> {
    return this.#lost.promise;
  }

  get devices(): readonly [ShareVirtioFs] {
    const { virtioFsQueueSize: queueSize } = this.#options.daemon;
    return [{ kind: "share-virtio-fs", tag: TAG, socketPath: this.#socketPath, queueSize }];
  }

  /** Device nodes on a share stay files: what they name is the guest's, not the container's (CVE-2020-2023). */
  get storages(): readonly GuestStorage[] {
    const options = ["nodev"];
    return [
      { driver: "virtio-fs", source: TAG, fstype: "virtiofs", options, mountPoint: GUEST_SHARE },
    ];
  }

  override async prepare(): Promise<void> {
    await super.prepare();
    try {
      await this.#startDaemon();
    } catch (error) {
      await super[Symbol.asyncDispose]();
      throw error;
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.kill();
    await super[Symbol.asyncDispose]();
  }

  get #socketPath(): string {
    return `${this.#options.stateDir}/virtiofs.sock`;
  }

  /** The socket listens before the daemon runs, so that the VMM need not wait for it. */
  async #startDaemon(): Promise<void> {
    const { daemon, stateDir } = this.#options;
    const kind = await virtiofsdKind(daemon.virtioFsDaemon);
    const limit = hasCapability("SYS_RESOURCE") ? {} : { maxFiles: openFilesLimit() };
    const argv = virtiofsdArguments(daemon, { kind, folder: this.exported, ...limit });
    const listenFd = unixListen(this.#socketPath);
    try {
      setNonblocking(listenFd, false); // it does not wait for a connection otherwise
      const fds = { [LISTEN_FD]: listenFd };
      this.#daemon = RunningVmProcess.spawn({ role: "virtiofsd", argv, fds, stateDir });
    } finally {
      close(listenFd);
    }
    this.#watch(this.#daemon);
  }

  #watch({ exited, output, pid }: RunningVmProcess): void {
    exited.then((status) => {
      this.#lost.resolve(`virtiofsd (pid ${pid}) ${exitText(status, output.lines(3))}`);
    });
  }
}
