import { assertEquals } from "@std/assert";
import { fromBinary } from "@bufbuild/protobuf";
import { TaskExitSchema } from "../../common/protocol/gen/containerd/events_pb.ts";
import type { ForwardRequest } from "../../common/protocol/gen/containerd/events_service_pb.ts";
import { Events } from "../../common/protocol/gen/containerd/events_service_pb.ts";
import { TtrpcServer } from "../../common/protocol/ttrpc/server.ts";
import { Routes } from "../../common/protocol/ttrpc/service.ts";
import { EventPublisher } from "./event_publisher.ts";

/** An engine's events service on a socket of its own. */
class Engine implements AsyncDisposable {
  readonly requests: ForwardRequest[] = [];
  readonly #stop = new AbortController();
  readonly #listener: Deno.UnixListener;
  readonly #sessions: Promise<unknown>[] = [];

  constructor(path: string, onEvent: () => void = () => {}) {
    const routes = new Routes().add(Events, {
      forward: (request) => {
        this.requests.push(request);
        onEvent();
        return Promise.resolve({});
      },
    });
    const server = new TtrpcServer(routes);
    const listener = this.#listener = Deno.listen({ transport: "unix", path });
    this.#sessions.push((async () => {
      for await (const connection of listener) {
        this.#sessions.push(server.serve(connection, this.#stop.signal));
      }
    })());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#listener.close();
    await Promise.all(this.#sessions);
  }
}

Deno.test("EventPublisher sends events in order, with bare type names", async () => {
  const path = `${await Deno.makeTempDir()}/e.sock`;
  await using publisher = new EventPublisher(path, "default");
  await using engine = new Engine(path);
  for (let status = 0; status < 5; status++) {
    publisher.publish("/tasks/exit", TaskExitSchema, { containerId: "c", exitStatus: status });
  }
  await publisher.flush(5000);
  const events = engine.requests.map(({ envelope }) => envelope?.event);
  assertEquals(events.map((event) => event?.typeUrl), Array(5).fill("containerd.events.TaskExit"));
  const statuses = events.map((event) =>
    fromBinary(TaskExitSchema, event?.value ?? new Uint8Array()).exitStatus
  );
  assertEquals(statuses, [0, 1, 2, 3, 4]);
  assertEquals(engine.requests[0]?.envelope?.namespace, "default");
});

Deno.test("EventPublisher keeps events for an engine that is away", async () => {
  const path = `${await Deno.makeTempDir()}/e.sock`;
  await using publisher = new EventPublisher(path, "default");
  publisher.publish("/tasks/exit", TaskExitSchema, { containerId: "first" });
  publisher.publish("/tasks/exit", TaskExitSchema, { containerId: "second" });
  const { promise, resolve } = Promise.withResolvers<void>();
  await using engine = new Engine(path, () => engine.requests.length === 2 && resolve());
  await promise;
  const ids = engine.requests.map(({ envelope }) =>
    fromBinary(TaskExitSchema, envelope?.event?.value ?? new Uint8Array()).containerId
  );
  assertEquals(ids, ["first", "second"]);
});

Deno.test("EventPublisher.flush gives up in time when nobody listens", async () => {
  await using publisher = new EventPublisher("/nowhere/e.sock", "default");
  publisher.publish("/tasks/exit", TaskExitSchema, {});
  await publisher.flush(20);
});

Deno.test("EventPublisher without an address keeps quiet", async () => {
  await using publisher = new EventPublisher("", "default");
  publisher.publish("/tasks/exit", TaskExitSchema, {});
  await publisher.flush(20);
});
