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
import { Code, messageOf, RuntimeError } from "../../base/errors.ts";
import { type CallOptions } from "./pending_call.ts";
import { type Metadata } from "./envelope.ts";

/** What a handler may know about its call. */
export interface CallContext {
  /** Aborts when the caller's deadline passes or the connection ends. */
  readonly signal: AbortSignal;
  /** Values the caller sent along. */
  readonly metadata: Metadata;
  /** Milliseconds the caller gave the call, when it set a limit. */
  readonly timeoutMs: number | undefined;
}

/**
 * The handlers of a service, one for each method; those left out answer Unimplemented.
 * A handler returns the response's fields, or throws a RuntimeError whose code is sent.
 */
export type ServiceImpl<S extends DescService> = {
  [K in keyof S["method"]]?: S["method"][K] extends DescMethodUnary<infer I, infer O> ? (
      request: MessageShape<I>,
      context: CallContext,
    ) => Promise<MessageInitShape<O>>
    : never;
};

/** The methods of a service as functions of the request's fields. */
export type Client<S extends DescService> = {
  [K in keyof S["method"]]: S["method"][K] extends DescMethodUnary<infer I, infer O> ? (
      request: MessageInitShape<I>,
      options?: CallOptions,
    ) => Promise<MessageShape<O>>
    : never;
};

/** The part of TtrpcClient that typed clients need. */
export interface Caller {
  call(
    service: string,
    method: string,
    payload: Uint8Array,
    options?: CallOptions,
  ): Promise<Uint8Array>;
}

/**
 * A typed client for one service.
 * @param defaults Options for calls that do not name their own, field by field.
 */
export function createClient<S extends DescService>(
  service: S,
  caller: Caller,
  defaults: CallOptions = {},
): Client<S> {
  const methods = service.methods.filter(isUnary).map((method) =>
    [method.localName, caller_(method)] as const
  );
  return Object.fromEntries(methods) as Client<S>;

  function caller_(
    method: DescMethod,
  ): (
    request: MessageInitShape<DescMessage>,
    options?: CallOptions,
  ) => Promise<MessageShape<DescMessage>> {
    return async (request, options) => {
      const payload = toBinary(method.input, create(method.input, request));
      const all = options === undefined ? defaults : { ...defaults, ...options };
      return fromBinary(
        method.output,
        await caller.call(service.typeName, method.name, payload, all),
      );
    };
  }
}

/** Answers one method: encoded request in, encoded response out. */
export type Handler = (
  payload: Uint8Array,
  context: CallContext,
) => Promise<Uint8Array>;

/** The services a server offers. */
export class Routes {
  readonly #services = new Map<string, Map<string, Handler>>();

  /**
   * Adds the handlers of a service.
   * @param options.aliases Further full names it answers to, for another version of its package.
   */
  add<S extends DescService>(
    service: S,
    impl: ServiceImpl<S>,
    options: { aliases?: readonly string[] } = {},
  ): this {
    const handlers = new Map<string, Handler>();
    for (const method of service.methods) {
      const handle = (impl as Partial<Record<string, UntypedHandler>>)[method.localName];
      if (handle !== undefined) {
        handlers.set(method.name, handlerOf(method, handle.bind(impl)));
      }
    }
    for (const name of [service.typeName, ...options.aliases ?? []]) {
      this.#services.set(name, handlers);
    }
    return this;
  }

  /** Every service by its full name, with its handlers by their methods' names. */
  get services(): ReadonlyMap<string, ReadonlyMap<string, Handler>> {
    return this.#services;
  }

  /** @throws {RuntimeError} Unimplemented: no such service or method. */
  find(service: string, method: string): Handler {
    const handlers = this.#services.get(service);
    if (handlers === undefined) {
      throw new RuntimeError(
        Code.Unimplemented,
        `Unknown service ${JSON.stringify(service)}`,
      );
    }
    const handler = handlers.get(method);
    if (handler !== undefined) return handler;
    throw new RuntimeError(
      Code.Unimplemented,
      `Service ${service} does not implement ${JSON.stringify(method)}`,
    );
  }
}

type UntypedHandler = (
  request: MessageShape<DescMessage>,
  context: CallContext,
) => Promise<MessageInitShape<DescMessage>>;

function handlerOf(method: DescMethod, handle: UntypedHandler): Handler {
  return async (payload, context) => {
    const response = await handle(decode(method, payload), context);
    return toBinary(method.output, create(method.output, response));
  };
}

function decode(
  method: DescMethod,
  payload: Uint8Array,
): MessageShape<DescMessage> {
  try {
    return fromBinary(method.input, payload);
  } catch (error) {
    throw new RuntimeError(
      Code.InvalidArgument,
      `Request is not a ${method.input.typeName}: ${messageOf(error)}`,
    );
  }
}

function isUnary(method: DescMethod): boolean {
  return method.methodKind === "unary";
}
