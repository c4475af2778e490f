/** The engine's streaming server: a connection that carries several channels. */

/** Channels of exec and attach. Source: Kubernetes' remote command protocol, version 4. */
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4 } as const;

const PROTOCOL = "v4.channel.k8s.io";
/** Longest wait for something to arrive, in milliseconds. */
const WAIT_MS = 30_000;

/** A WebSocket whose messages begin with the number of the channel that they belong to. */
export class ChannelSocket implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #received = new Map<number, Uint8Array[]>();
  readonly #closed: Promise<void>;
  #over = false;
  #wake = (): void => {};

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#take(new Uint8Array(data as ArrayBuffer));
    this.#closed = new Promise((resolve) => {
      socket.onclose = () => {
        this.#over = true;
        this.#wake();
        resolve();
      };
    });
  }

  /** @param url As CRI's Exec, Attach and PortForward answer. @param query More for it, such as `port=80`. */
  static async open(url: string, query = ""): Promise<ChannelSocket> {
    const address = new URL(url);
    address.protocol = "ws:";
    address.search = query;
    const socket = new WebSocket(address, PROTOCOL);
    const opened = Promise.withResolvers<void>();
    socket.onopen = () => opened.resolve();
    socket.onerror = (event) =>
      opened.reject(new Error(`Cannot open ${address}: ${(event as ErrorEvent).message}`));
    const stream = new ChannelSocket(socket);
    await opened.promise;
    return stream;
  }

  #take(message: Uint8Array): void {
    const channel = message[0] ?? 0;
    const parts = this.#received.get(channel) ?? [];
    parts.push(message.slice(1));
    this.#received.set(channel, parts);
    this.#wake();
  }

  /** What has arrived on a channel so far. */
  bytes(channel: number): Uint8Array {
    const parts = this.#received.get(channel) ?? [];
    const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      whole.set(part, offset);
      offset += part.length;
    }
    return whole;
  }

  text(channel: number): string {
    return new TextDecoder().decode(this.bytes(channel));
  }

  send(channel: number, content: string | Uint8Array): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.#socket.send(Uint8Array.of(channel, ...bytes));
  }

  resize(columns: number, rows: number): void {
    this.send(CHANNEL.resize, JSON.stringify({ Width: columns, Height: rows }));
  }

  /** Waits until a channel's text matches. @throws {Error} It does not in time, or the connection ended before. */
  async waitFor(channel: number, pattern: RegExp): Promise<string> {
    const deadline = Date.now() + WAIT_MS;
    while (!pattern.test(this.text(channel))) {
      const left = deadline - Date.now();
      if (left <= 0 || this.#over) {
        const state = this.#over ? "the end" : `${WAIT_MS} ms`;
        throw new Error(`No ${pattern} until ${state}, but: ${this.text(channel)}`);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, left);
      await promise;
      clearTimeout(timer);
    }
    return this.text(channel);
  }

  /** Waits until the other side has closed. @returns What it said of the process's end, as the engine puts it. */
  async ended(): Promise<string> {
    await this.#closed;
    return this.text(CHANNEL.status);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#closed;
  }
}
