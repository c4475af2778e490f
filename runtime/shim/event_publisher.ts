import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { Events } from "../../common/protocol/gen/containerd/events_service_pb.ts";
import { type Envelope, EnvelopeSchema } from "../../common/protocol/gen/containerd/envelope_pb.ts";
import { TtrpcClient } from "../../common/protocol/ttrpc/client.ts";
import { createClient } from "../../common/protocol/ttrpc/service.ts";
import { packAny } from "./any.ts";

/** Longest time for one event to be taken, in milliseconds. Source: containerd's shim publisher. */
const CALL_TIMEOUT_MS = 5_000;

/** Most events that wait for an engine that does not answer. Source: the same. */
const MAX_QUEUED = 2048;

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2_000;

/**
 * Sends events to the engine one after another, in the order of publishing. An engine that is away
 * (restarting) gets them when it is back; beyond {@linkcode MAX_QUEUED} the oldest are dropped.
 */
export class EventPublisher implements AsyncDisposable {
  readonly #queue: Envelope[] = [];
  readonly #closing = new AbortController();
  #client: TtrpcClient | undefined;
  #sending: Promise<void> | undefined;

  /** @param address The engine's ttrpc socket; empty means that nobody listens (CRI-O). */
  constructor(readonly address: string, readonly namespace: string) {}

  /** Queues an event. */
  publish<D extends DescMessage>(topic: string, schema: D, event: MessageInitShape<D>): void {
    if (this.address === "") return;
    if (this.#queue.length >= MAX_QUEUED) {
      const dropped = this.#queue.shift();
      log.error("Drops an event: the engine has not taken any for long", { topic: dropped?.topic });
    }
    this.#queue.push(create(EnvelopeSchema, {
      timestamp: timestampFromMs(Date.now()),
      namespace: this.namespace,
      topic,
      event: packAny(schema, create(schema, event)),
    }));
    this.#sending ??= this.#send();
  }

  /** Waits until all events were taken, at most this long, then gives up the rest. */
  async flush(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.#closing.abort(), timeoutMs);
    await this.#sending;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#sending;
    this.#client?.close();
  }

  async #send(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (this.#queue.length > 0 && !this.#closing.signal.aborted) {
      const [envelope] = this.#queue;
      if (!envelope) break;
      try {
        await this.#forward(envelope);
        if (this.#queue[0] === envelope) this.#queue.shift();
        retryMs = FIRST_RETRY_MS;
      } catch (error) {
        log.warn("Cannot publish an event yet", {
          topic: envelope.topic,
          reason: messageOf(error),
        });
        this.#client?.close();
        this.#client = undefined;
        await this.#pause(retryMs);
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      }
    }
    this.#sending = undefined;
  }

  async #forward(envelope: Envelope): Promise<void> {
    this.#client ??= await this.#connect();
    await createClient(Events, this.#client).forward({ envelope }, {
      timeoutMs: CALL_TIMEOUT_MS,
      signal: this.#closing.signal,
    });
  }

  async #connect(): Promise<TtrpcClient> {
    return new TtrpcClient(await Deno.connect({ transport: "unix", path: this.address }));
  }

  /** Nothing tells when an engine is back on its socket, so this waits and tries. */
  #pause(ms: number): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
      if (signal.aborted) done();
    });
  }
}
