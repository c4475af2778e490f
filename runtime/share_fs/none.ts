import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { CopiedFiles } from "./copied_files.ts";
import type { HostMount, ShareFs } from "./share_fs.ts";

/** No share at all: root file systems are block devices, and files are copied into the guest's memory. */
export class NoShare implements ShareFs {
  readonly name = "none";
  readonly devices = [];
  readonly processes = [];
  readonly storages = [];
  readonly lost = new Promise<string>(() => {});
  readonly #copies: CopiedFiles;

  constructor(copies: CopiedFiles) {
    this.#copies = copies;
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  shareRootfs(containerId: string): Promise<string> {
    return Promise.reject(
      new RuntimeError(
        Code.FailedPrecondition,
        `shared_fs = "none": the root file system of container "${containerId}" is no block device ` +
          "(use a snapshotter such as devmapper or blockfile)",
      ),
    );
  }

  shareMount(containerId: string, { source, destination }: HostMount): Promise<string> {
    return this.#copies.add(containerId, source, destination);
  }

  remove(containerId: string): Promise<void> {
    return this.#copies.remove(containerId);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(); // the copies end with the guest
  }
}
