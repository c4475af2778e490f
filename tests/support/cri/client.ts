/** A typed client of the Container Runtime Interface. Wants a Deno whose HTTP/2 does Unix sockets: from 2.7.14 on. */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Buffer } from "node:buffer";
import { Client as GrpcClient, credentials } from "@grpc/grpc-js";
import { ImageService, RuntimeService } from "./gen/cri_pb.ts";

/** Longest time for a call, in milliseconds, unless it says otherwise. */
const CALL_TIMEOUT_MS = 300_000;

export interface CallOptions {
  readonly timeoutMs?: number;
}

/** The methods of a service as functions of the request's fields; they throw grpc-js's ServiceError. */
export type Methods<S extends DescService> = {
  [K in keyof S["method"]]: S["method"][K] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : never;
};

function call(
  client: GrpcClient,
  { name, parent, input, output }: DescMethod,
  request: MessageInitShape<DescMessage>,
  { timeoutMs = CALL_TIMEOUT_MS }: CallOptions = {},
): Promise<MessageShape<DescMessage>> {
  const { promise, resolve, reject } = Promise.withResolvers<MessageShape<DescMessage>>();
  client.makeUnaryRequest(
    `/${parent.typeName}/${name}`,
    (message: MessageShape<DescMessage>) => Buffer.from(toBinary(input, message)),
    (bytes: Uint8Array) => fromBinary(output, bytes),
    create(input, request),
    { deadline: Date.now() + timeoutMs },
    (error, response) => {
      if (response !== undefined) resolve(response);
      else reject(error ?? new Error(`${name} was not answered`));
    },
  );
  return promise;
}

function methodsOf<S extends DescService>(service: S, client: GrpcClient): Methods<S> {
  const entries = service.methods.map((method) => [
    method.localName,
    (request: MessageInitShape<DescMessage>, options?: CallOptions) =>
      call(client, method, request, options),
  ]);
  return Object.fromEntries(entries) as Methods<S>;
}

/** Both services of one engine. */
export class CriClient implements Disposable {
  readonly #client: GrpcClient;
  readonly runtime: Methods<typeof RuntimeService>;
  readonly image: Methods<typeof ImageService>;

  /** @param socket The engine's, an absolute path. */
  constructor(socket: string) {
    this.#client = new GrpcClient(`unix://${socket}`, credentials.createInsecure(), {
      "grpc.max_receive_message_length": 64 * 1024 * 1024,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 500,
    });
    this.runtime = methodsOf(RuntimeService, this.#client);
    this.image = methodsOf(ImageService, this.#client);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
