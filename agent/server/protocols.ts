/** Tells a peer's protocol by the first byte that it sends. */
import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { closeQuietly, type Connection } from "../../common/protocol/transport/connection.ts";
import { peek } from "../../common/protocol/transport/peeked.ts";
import type { GrpcServer } from "../../common/protocol/grpc/server.ts";
import { TtrpcServer } from "../../common/protocol/ttrpc/server.ts";
import type { Routes } from "../../common/protocol/ttrpc/service.ts";

/** `P` of HTTP/2's preface. A ttrpc request begins with a length of at most 4 MiB, and so with 0. Source: RFC 9113, 3.4. */
const HTTP2_FIRST_BYTE = 0x50;

/** Offers the same services by ttrpc and, to who asks for it, by gRPC. */
export class ProtocolServer {
  readonly #routes: Routes;
  readonly #ttrpc: TtrpcServer;
  #grpc: Promise<GrpcServer> | undefined;

  constructor(routes: Routes) {
    this.#routes = routes;
    this.#ttrpc = new TtrpcServer(routes);
  }

  /** Serves one connection, which it owns from now on, until the peer has left or `signal`. Never rejects. */
  async serve(raw: Connection, signal: AbortSignal): Promise<void> {
    const close = (): void => closeQuietly(raw);
    signal.addEventListener("abort", close);
    const peeked = await peek(raw).catch(() => undefined);
    signal.removeEventListener("abort", close);
    if (peeked?.first === undefined) return close();
    if (peeked.first !== HTTP2_FIRST_BYTE) {
      await this.#ttrpc.serve(peeked.connection, signal);
      return;
    }
    try {
      await (await this.#loadGrpc()).serve(peeked.connection, signal);
    } catch (error) {
      log.error("a peer asked for gRPC", { error: messageOf(error) });
      closeQuietly(peeked.connection);
    }
  }

  #loadGrpc(): Promise<GrpcServer> {
    return this.#grpc ??= import("../../common/protocol/grpc/server.ts")
      .then(({ GrpcServer }) => new GrpcServer(this.#routes));
  }
}
