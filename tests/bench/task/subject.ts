/** A container that runs while figures about it are taken. */
import type { Contender } from "../../support/bench.ts";
import { BUSYBOX } from "../../support/busybox_image.ts";
import type { Containerd } from "../../support/containerd.ts";
import { TaskClient } from "../../support/task_client.ts";

/** An idle container, and a client of the shim that serves it. */
export class Subject implements AsyncDisposable {
  readonly #containerd: Containerd;
  readonly client: TaskClient;

  private constructor(containerd: Containerd, readonly id: string, client: TaskClient) {
    this.#containerd = containerd;
    this.client = client;
  }

  static async start(containerd: Containerd, { label, runtime }: Contender): Promise<Subject> {
    const id = `task-${label}`;
    const run = ["run", "--detach", "--runtime", runtime, BUSYBOX, id, "sleep", "100000"];
    await containerd.ctrOutput(run);
    return new Subject(containerd, id, await TaskClient.connect(containerd, id));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.#containerd.ctr(["task", "rm", "--force", this.id]);
    await this.#containerd.ctr(["container", "rm", this.id]);
  }
}
