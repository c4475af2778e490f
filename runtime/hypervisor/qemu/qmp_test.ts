import { assertEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../../common/base/errors.ts";
import type { Connection } from "../../../common/protocol/transport/connection.ts";
import { QmpClient, QmpError } from "./qmp.ts";

const GREETING = '{"QMP":{"version":{"qemu":{"micro":0,"minor":2,"major":7}},"capabilities":[]}}\n';

/** A QEMU whose monitor sends `greeting`, then whatever `answer` makes of each command. */
function fakeQemu(greeting: string, answer: (command: string, id: number) => string): Connection {
  const input = new TransformStream<Uint8Array, Uint8Array>();
  const writer = input.writable.getWriter();
  const reader = input.readable.getReader();
  const say = (text: string) => void writer.write(new TextEncoder().encode(text)).catch(() => {});
  say(greeting);
  return {
    async read(into) {
      const { value } = await reader.read();
      if (value) into.set(value);
      return value?.length ?? null;
    },
    write(bytes) {
      const { execute, id } = JSON.parse(new TextDecoder().decode(bytes));
      say(execute === "qmp_capabilities" ? `{"return":{},"id":${id}}\n` : answer(execute, id));
      return Promise.resolve(bytes.length);
    },
    closeWrite: () => Promise.resolve(),
    close: () => void writer.close().catch(() => {}),
  };
}

Deno.test("QmpClient answers commands and delivers events in between", async () => {
  using client = await QmpClient.open(
    fakeQemu(
      GREETING,
      (_, id) => `{"event":"STOP"}\r\n{"return":{"status":"paused"},"id":${id}}\r\n`,
    ),
    1000,
  );
  const stopped = client.nextEvent(({ name }) => name === "STOP", AbortSignal.timeout(1000));
  assertEquals(await client.version(), { major: 7, minor: 2 });
  assertEquals(await client.execute("query-status"), { status: "paused" });
  assertEquals((await stopped).name, "STOP");
});

Deno.test("QmpClient throws QmpError when QEMU refuses", async () => {
  const refuse = (_: string, id: number) =>
    `{"error":{"class":"DeviceNotFound","desc":"no d0"},"id":${id}}\n`;
  using client = await QmpClient.open(fakeQemu(GREETING, refuse), 1000);
  await assertRejects(
    () => client.execute("device_del"),
    QmpError,
    "QMP device_del: DeviceNotFound: no d0",
  );
});

Deno.test("QmpClient gives up on a silent QEMU", async () => {
  await assertRejects(() => QmpClient.open(fakeQemu("", () => ""), 30), RuntimeError, "30 ms");
  using client = await QmpClient.open(fakeQemu(GREETING, () => ""), 1000);
  await assertRejects(
    () => client.execute("stop", {}, { timeoutMs: 30 }),
    RuntimeError,
    "QMP stop",
  );
});

Deno.test("QmpClient ends the session on garbage and says what it was", async () => {
  await assertRejects(
    () => QmpClient.open(fakeQemu("HTTP/1.1 400\n", () => ""), 1000),
    RuntimeError,
    "HTTP/1.1 400",
  );
  using client = await QmpClient.open(fakeQemu(GREETING, () => "\0\xff\n"), 1000);
  await assertRejects(() => client.execute("stop"), RuntimeError, "no QMP message");
  await assertRejects(() => client.execute("cont"), RuntimeError, "no QMP message");
});

Deno.test("QmpClient goes on by another connection when one was lost", async () => {
  const answer = (_: string, id: number) => `{"return":"answer","id":${id}}\n`;
  const connections = Array.from({ length: 4 }, () => fakeQemu(GREETING, answer));
  const first = fakeQemu(GREETING, () => ""); // never answers
  let reopened = 0;
  const reopen = () => {
    const next = connections[reopened++];
    if (next === undefined) throw new Error("QEMU is gone");
    return next;
  };
  using client = await QmpClient.open(first, 1000, undefined, { reopen });
  const unanswered = client.execute("stop");
  first.close();
  await assertRejects(() => unanswered, RuntimeError, "closed its monitor");
  assertEquals(await client.execute("query-status"), "answer");
  for (const connection of connections) connection.close();
  assertEquals((await client.closed).message, "QEMU closed its monitor");
  assertEquals(reopened, 3); // then it has had enough
  await assertRejects(() => client.execute("cont"), RuntimeError, "closed its monitor");
});

Deno.test("QmpClient ends with QEMU when there is nobody to connect to", async () => {
  const connection = fakeQemu(GREETING, () => "");
  const reopen = () => {
    throw new Error("connection refused");
  };
  using client = await QmpClient.open(connection, 1000, undefined, { reopen });
  connection.close();
  assertEquals((await client.closed).message, "QEMU closed its monitor");
});
