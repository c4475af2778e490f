/** Everything that the agent's services share: the sandbox in this guest. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { type AgentPaths, GUEST_PATHS } from "../container/paths.ts";
import { Pod } from "../container/pod.ts";
import { StorageTable } from "../storage/storage.ts";
import { Timeline } from "./timeline.ts";

export { VERSION as AGENT_VERSION } from "../../common/base/version.ts";
/** Version of the protocol, as Kata's agents report it. */
export const API_VERSION = "0.0.1";

export interface Sandbox {
  readonly id: string;
  /** All containers see each other's processes. */
  readonly sharePid: boolean;
  readonly guestHookPath: string;
}

export class Guest {
  readonly pod: Pod;
  readonly storages = new StorageTable(async (driver, source) => {
    const { findDisk } = await import("../device/disk.ts");
    return await findDisk(driver, source);
  });
  readonly #destroyed = Promise.withResolvers<void>();
  readonly #containerStorages = new Map<string, string[]>();
  #sandbox: Sandbox | undefined;

  constructor(
    readonly paths: AgentPaths = GUEST_PATHS,
    readonly timeline: Timeline = new Timeline(),
    pipeBytes = 0,
  ) {
    this.pod = new Pod(paths, pipeBytes);
  }

  get sandbox(): Sandbox | undefined {
    return this.#sandbox;
  }

  /** @throws {RuntimeError} AlreadyExists: a guest has one sandbox. */
  set sandbox(sandbox: Sandbox) {
    if (this.#sandbox) {
      throw new RuntimeError(
        Code.AlreadyExists,
        `This guest has sandbox "${this.#sandbox.id}" already`,
      );
    }
    this.#sandbox = sandbox;
  }

  /** Notes which storages a container uses. */
  keepStorages(containerId: string, points: string[]): void {
    this.#containerStorages.set(containerId, points);
  }

  /** Gives a removed container's storages back. */
  releaseStorages(containerId: string): void {
    this.storages.release(this.#containerStorages.get(containerId) ?? []);
    this.#containerStorages.delete(containerId);
  }

  /** Resolves when the host has destroyed the sandbox: the agent has nothing left to do. */
  get destroyed(): Promise<void> {
    return this.#destroyed.promise;
  }

  async destroy(): Promise<void> {
    await this.pod.close();
    this.storages.close();
    this.#destroyed.resolve();
  }
}
