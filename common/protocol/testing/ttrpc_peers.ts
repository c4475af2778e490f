import { create, toBinary } from "@bufbuild/protobuf";
import { assertRejects } from "@std/assert";
import { RuntimeError } from "../../base/errors.ts";
import { CheckRequestSchema, Health } from "../gen/kata/health_pb.ts";
import { RequestSchema } from "../gen/ttrpc_pb.ts";
import { type Connection, writeAll } from "../transport/connection.ts";
import { TtrpcClient } from "../ttrpc/client.ts";
import { decodeResponse, requestFrame, requestPrefix } from "../ttrpc/envelope.ts";
import { encodeFrame, type Frame, FrameDecoder, FrameType } from "../ttrpc/frame.ts";
import { type ServerLimits, TtrpcServer } from "../ttrpc/server.ts";
import { type Client, createClient, Routes, type ServiceImpl } from "../ttrpc/service.ts";
import { connectedPair } from "./connections.ts";

const CHECK = requestPrefix("grpc.Health", "Check");

/** See {@linkcode connect}. */
export interface Peers extends AsyncDisposable {
  readonly client: TtrpcClient;
  readonly health: Client<typeof Health>;
  readonly serverEnd: Connection;
  readonly served: Promise<Error | undefined>;
}

/** A client and a server of the health service, joined. */
export function connect(
  impl: ServiceImpl<typeof Health>,
  limits: Partial<ServerLimits> = {},
  signal?: AbortSignal,
): Peers {
  const [near, far] = connectedPair();
  const routes = new Routes().add(Health, impl, { aliases: ["other.Health"] });
  const served = new TtrpcServer(routes, limits).serve(far, signal);
  const client = new TtrpcClient(near);
  return {
    client,
    health: createClient(Health, client),
    serverEnd: far,
    served,
    async [Symbol.asyncDispose]() {
      client.close();
      await served;
    },
  };
}

/** An answer as a caller sees it that decodes frames itself. */
export interface Reply {
  readonly streamId: number;
  /** 0 for success. */
  readonly code: number;
}

/** A server with a caller that writes frames itself. */
export function serveRaw(
  impl: ServiceImpl<typeof Health>,
  limits: Partial<ServerLimits> = {},
): AsyncDisposable & {
  send(...frames: Uint8Array[]): Promise<void>;
  replies(count: number): Promise<Reply[]>;
} {
  const [near, far] = connectedPair();
  const served = new TtrpcServer(new Routes().add(Health, impl), limits).serve(far);
  const decoder = new FrameDecoder();
  return {
    async send(...frames) {
      for (const frame of frames) await writeAll(near, frame);
    },
    async replies(count) {
      const frames: Frame[] = [];
      while (frames.length < count) {
        const n = await near.read(decoder.space());
        if (n === null) break;
        frames.push(...decoder.filled(n));
      }
      return frames.map(({ streamId, payload }) => ({
        streamId,
        code: decodeResponse(payload).status?.code ?? 0,
      }));
    },
    async [Symbol.asyncDispose]() {
      near.close();
      await served;
    },
  };
}

/** A request as a frame, with a service name of `size` characters. */
export function frameOf(streamId: number, prefix: Uint8Array, size = 0): Uint8Array {
  const payload = size === 0
    ? new Uint8Array()
    : toBinary(CheckRequestSchema, create(CheckRequestSchema, { service: "x".repeat(size) }));
  return requestFrame({ streamId, flags: 0, prefix, payload, timeoutNano: 0, metadata: undefined });
}

/** A call of Check as a frame. */
export function rawRequest(streamId: number, timeoutNano = 0n): Uint8Array {
  if (timeoutNano === 0n) return frameOf(streamId, CHECK);
  const request = create(RequestSchema, { service: "grpc.Health", method: "Check", timeoutNano });
  return encodeFrame({
    streamId,
    type: FrameType.Request,
    flags: 0,
    payload: toBinary(RequestSchema, request),
  });
}

/** The error with which a call fails. */
export async function failure(call: Promise<unknown>): Promise<RuntimeError> {
  return await assertRejects(() => call, RuntimeError);
}

/** Never answers; reports the reason when told to stop. */
export function hang(signal: AbortSignal, stopped: (reason: unknown) => void): Promise<never> {
  signal.addEventListener("abort", () => stopped(signal.reason));
  return new Promise(() => {});
}
