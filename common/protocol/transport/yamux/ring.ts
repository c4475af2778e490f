/** A queue of bytes in one buffer that grows while it is used and is freed when empty. */
export class Ring {
  #buffer: Uint8Array = new Uint8Array();
  #start = 0;
  #length = 0;

  /** Bytes in the queue. */
  get length(): number {
    return this.#length;
  }

  /** Appends a copy of `bytes`. The caller bounds the length. */
  push(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#buffer.length) this.#grow(this.#length + bytes.length);
    const end = (this.#start + this.#length) % this.#buffer.length;
    const first = Math.min(bytes.length, this.#buffer.length - end);
    this.#buffer.set(bytes.subarray(0, first), end);
    this.#buffer.set(bytes.subarray(first), 0);
    this.#length += bytes.length;
  }

  /** Moves as many bytes as there are and fit into `into`. @returns How many. */
  shift(into: Uint8Array): number {
    const count = Math.min(into.length, this.#length);
    const first = Math.min(count, this.#buffer.length - this.#start);
    into.set(this.#buffer.subarray(this.#start, this.#start + first));
    into.set(this.#buffer.subarray(0, count - first), first);
    this.#length -= count;
    if (this.#length === 0) this.clear();
    else this.#start = (this.#start + count) % this.#buffer.length;
    return count;
  }

  /** Empties the queue and frees a large buffer. */
  clear(): void {
    this.#start = this.#length = 0;
    if (this.#buffer.length > KEEP_BYTES) this.#buffer = new Uint8Array();
  }

  #grow(needed: number): void {
    const length = this.#length;
    const buffer = new Uint8Array(Math.max(FIRST_BYTES, 2 ** Math.ceil(Math.log2(needed))));
    this.shift(buffer);
    this.#buffer = buffer;
    this.#start = 0;
    this.#length = length;
  }
}

const FIRST_BYTES = 4 * 1024;
/** An empty queue keeps a buffer up to this size for its next bytes. */
const KEEP_BYTES = 64 * 1024;
