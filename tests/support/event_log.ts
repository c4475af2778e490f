/** What containerd publishes, in the order in which it got it from shims. */
import type { Containerd } from "./containerd.ts";

/** One event of a task, such as `exit` with its fields. */
export interface TaskEvent {
  readonly topic: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Source: ctr's output: day, time, zone (two words), namespace, topic, JSON. */
const LINE = /^\S+ \S+ \S+ \S+ \S+ \/tasks\/(\S+) (\{.*\})$/;

/** Follows `ctr events`. */
export class EventLog implements AsyncDisposable {
  readonly events: TaskEvent[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<void>;
  #wake = (): void => {};

  constructor(containerd: Containerd) {
    const [program, ...args] = containerd.argv("events");
    this.#child = new Deno.Command(program, { args, stdout: "piped", stderr: "null" }).spawn();
    this.#ended = this.#read();
  }

  async #read(): Promise<void> {
    let text = "";
    for await (const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + chunk).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const [, topic, json] = LINE.exec(line) ?? [];
        if (topic && json) this.events.push({ topic, fields: JSON.parse(json) });
      }
      this.#wake();
    }
  }

  /** Topics of one container, each with its exec's id if it has one, such as `exit e1`. */
  of(containerId: string): string[] {
    return this.events.filter(({ fields }) => fields.container_id === containerId)
      .map(({ topic, fields: { id, exec_id: execId } }) => {
        const exec = execId ?? (id === containerId ? undefined : id);
        return exec ? `${topic} ${exec}` : topic;
      });
  }

  /** Waits until there is such an event. @throws {Error} Not within the time. */
  async wait(
    containerId: string,
    topic: string,
    timeoutMs = 10_000,
  ): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!this.of(containerId).includes(topic)) {
      if (Date.now() > deadline) {
        throw new Error(`No ${topic} of ${containerId}, but ${this.of(containerId)}`);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, 500);
      await promise;
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended with its containerd
    }
    await this.#ended;
    await this.#child.status;
  }
}
