/** The same services that ttrpc carries, by gRPC. Loaded only when a peer speaks it: grpc-js takes seconds in a guest. */
import { Buffer } from "node:buffer";
import {
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { Code, codeOf, messageOf } from "../../base/errors.ts";
import type { Connection } from "../transport/connection.ts";
import type { Handler, Routes } from "../ttrpc/service.ts";
import { duplexOf } from "./duplex.ts";
import { requireGrpc } from "./support.ts";

/** Longest message, as ttrpc's. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** Calls at work at a time on one connection, as many as a hostile peer may make us keep. */
const MAX_CALLS = 16384;

type Call = ServerUnaryCall<Uint8Array, Uint8Array>;

/** Answers gRPC calls on any number of connections. */
export class GrpcServer {
  readonly #server = new Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_concurrent_streams": MAX_CALLS,
  });
  readonly #inject: (connection: ReturnType<typeof duplexOf>) => void;

  /** @throws {RuntimeError} Unimplemented: this Deno cannot. */
  constructor(routes: Routes) {
    requireGrpc();
    for (const [service, handlers] of routes.services) this.#add(service, handlers);
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#inject = (duplex) => injector.injectConnection(duplex);
  }

  /** Serves one connection, which it owns from now on, until the peer has left or `signal`. Never rejects. */
  async serve(connection: Connection, signal?: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const duplex = duplexOf(connection);
    const stop = (): void => void duplex.destroy();
    duplex.once("close", resolve);
    duplex.on("error", () => {}); // told by "close"
    signal?.addEventListener("abort", stop);
    this.#inject(duplex);
    await promise;
    signal?.removeEventListener("abort", stop);
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #add(service: string, handlers: ReadonlyMap<string, Handler>): void {
    const bytes = (value: Uint8Array): Buffer => Buffer.from(value);
    const definitions = [...handlers.keys()].map((name) => [name, {
      path: `/${service}/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: (value: Uint8Array) => value,
      responseSerialize: bytes,
      responseDeserialize: (value: Uint8Array) => value,
    }]);
    const methods: UntypedServiceImplementation = Object.fromEntries(
      [...handlers].map(([name, handler]) => [name, unary(handler)]),
    );
    this.#server.addService(Object.fromEntries(definitions), methods);
  }
}

function unary(handler: Handler): (call: Call, done: sendUnaryData<Uint8Array>) => void {
  return (call, done) => {
    const over = new AbortController();
    call.on("cancelled", () => over.abort(new Error("The caller has left, or its time is over")));
    handler(call.request, {
      signal: over.signal,
      metadata: new Map(),
      timeoutMs: remaining(call.getDeadline()),
    }).then(
      (answer) => done(null, answer),
      (error) =>
        done({
          code: codeOf(error) || Code.Unknown,
          details: messageOf(error),
          metadata: new Metadata(),
        }),
    );
  };
}

function remaining(deadline: Date | number): number | undefined {
  const ms = Number(deadline) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
