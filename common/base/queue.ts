/** Items from who has them to who wants them, in order, without loss. */
export class AsyncQueue<T> {
  readonly #items: T[] = [];
  readonly #takers = new Set<Taker<T>>();
  #closed = false;

  /** @param capacity How many items may wait; unbounded when omitted. */
  constructor(readonly capacity: number = Infinity) {}

  /** Number of items that wait. */
  get size(): number {
    return this.#items.length;
  }

  /**
   * Adds an item, or hands it to who waits for one.
   * @returns False when the queue is full or closed; the item is then not taken.
   */
  push(item: T): boolean {
    if (this.#closed) return false;
    const [taker] = this.#takers;
    if (taker) {
      taker.give(item);
      return true;
    }
    if (this.#items.length >= this.capacity) return false;
    this.#items.push(item);
    return true;
  }

  /** What is queued is still given out, then waiting ends. */
  close(): void {
    this.#closed = true;
    for (const taker of [...this.#takers]) taker.fail(new Error("The queue was closed"));
  }

  /**
   * Waits for the next item; several callers are served in the order of their calls.
   * @throws The signal's reason, once aborted; no item is lost by that.
   * @throws {Error} The queue was closed and is empty.
   */
  async next(signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#items.length > 0) return this.#items.shift() as T;
    if (this.#closed) throw new Error("The queue was closed");
    return await this.#take(signal);
  }

  /** Items until the queue is closed and empty. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (this.#items.length > 0 || !this.#closed) {
      const item = await this.#nextOrEnd();
      if (!item) return;
      yield item.value;
    }
  }

  async #nextOrEnd(): Promise<{ value: T } | undefined> {
    try {
      return { value: await this.next() };
    } catch (error) {
      if (this.#closed) return undefined;
      throw error;
    }
  }

  #take(signal?: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const leave = (): void => {
      this.#takers.delete(taker);
      signal?.removeEventListener("abort", abort);
    };
    const taker: Taker<T> = {
      give: (item) => (leave(), resolve(item)),
      fail: (reason) => (leave(), reject(reason)),
    };
    const abort = (): void => taker.fail(signal?.reason);
    this.#takers.add(taker);
    signal?.addEventListener("abort", abort);
    return promise;
  }
}

interface Taker<T> {
  give(item: T): void;
  fail(reason: unknown): void;
}
