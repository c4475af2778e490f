/** Clients of the shim that send what nobody should, or never read: an error each, no growth, no crash. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { StateRequestSchema } from "../../common/protocol/gen/containerd/task_pb.ts";
import {
  decodeResponse,
  requestFrame,
  requestPrefix,
} from "../../common/protocol/ttrpc/envelope.ts";
import {
  type Frame,
  FrameDecoder,
  HEADER_BYTES,
  writeHeader,
} from "../../common/protocol/ttrpc/frame.ts";
import { Containerd } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { bundleOf, TaskClient } from "../support/task_client.ts";
import { background } from "./background.ts";

const ID = "hostile";
const REQUESTS = 10_000, BIG_BYTES = 5 * 1024 * 1024;
/** A shim must answer State within this, whatever anybody does. */
const ANSWER_MS = 2_000;
/** What a client that does not read may cost. */
const GROWTH_KIB = 64 * 1024;
const REQUEST = 1, REMOTE_CLOSED = 1;

/** Requests for State, the streams numbered as ttrpc wants it. */
function stateRequests(count: number): Uint8Array {
  const payload = toBinary(StateRequestSchema, create(StateRequestSchema, { id: ID }));
  const prefix = requestPrefix("containerd.task.v2.Task", "State");
  const frames = Array.from(
    { length: count },
    (_, at) =>
      requestFrame({
        streamId: 2 * at + 1,
        flags: REMOTE_CLOSED,
        prefix,
        payload,
        timeoutNano: 0,
        metadata: undefined,
      }),
  );
  return new Uint8Array(frames.flatMap((frame) => [...frame]));
}

async function writeWhole(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Reads answers until so many have come. */
async function answers(connection: Deno.Conn, count: number): Promise<Frame[]> {
  const decoder = new FrameDecoder(), frames: Frame[] = [];
  while (frames.length < count) {
    const read = await connection.read(decoder.space());
    assert(read !== null, `the shim hung up after ${frames.length} answers`);
    frames.push(...decoder.filled(read));
  }
  return frames;
}

function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]);
}

async function refused(call: Promise<unknown>, code: Code): Promise<void> {
  assertEquals((await assertRejects(() => call, RuntimeError)).code, code);
}

Deno.test("hostile clients of the shim", async (test) => {
  const before = await snapshot();
  {
    await using containerd = await Containerd.start();
    const child = await background(containerd, ID);
    using client = await TaskClient.connect(containerd, ID);
    const { task } = client, id = ID;
    const address = await Deno.readTextFile(`${bundleOf(containerd, ID)}/address`);
    const path = address.replace(/^unix:\/\//, "");
    const { shimPid } = await task.connect({ id });

    await test.step("ids that would leave a folder, and resources that are none", async () => {
      for (const bad of ["../up", "a/b", "", "x".repeat(500)]) {
        await refused(task.create({ id: bad, bundle: "/tmp" }), Code.InvalidArgument);
        await assertRejects(() => task.state({ id: bad }), RuntimeError);
      }
      for (const text of ["{", "[]", '{"memory":7}', '{"cpu":{"quota":"much"}}', "\u0000"]) {
        const resources = { typeUrl: "x", value: new TextEncoder().encode(text) };
        await refused(task.update({ id, resources }), Code.InvalidArgument);
      }
    });

    await test.step("a message of 5 MiB is refused, and the connection goes on", async () => {
      using connection = await Deno.connect({ transport: "unix", path });
      const big = new Uint8Array(HEADER_BYTES + BIG_BYTES);
      writeHeader(big, BIG_BYTES, 1, REQUEST, REMOTE_CLOSED);
      await writeWhole(connection, big);
      const [answer] = await answers(connection, 1);
      const { status } = decodeResponse(answer?.payload ?? new Uint8Array());
      assertEquals([answer?.streamId, status?.code], [1, Code.ResourceExhausted]);
      assertEquals((await task.state({ id })).id, id);
    });

    await test.step(`${REQUESTS} requests whose answers nobody reads cost nothing, and are answered`, async () => {
      const had = residentKiB(shimPid);
      using connection = await Deno.connect({ transport: "unix", path });
      const written = writeWhole(connection, stateRequests(REQUESTS));
      for (let at = 0; at < 20; at++) {
        const since = Date.now();
        await task.state({ id });
        assert(Date.now() - since < ANSWER_MS, `State took ${Date.now() - since} ms`);
      }
      assert(residentKiB(shimPid) - had < GROWTH_KIB, `${residentKiB(shimPid)} KiB, ${had} before`);
      const all = await answers(connection, REQUESTS);
      await written;
      assertEquals(new Set(all.map(({ streamId }) => streamId)).size, REQUESTS);
    });

    await containerd.ctrOutput(["task", "kill", "-s", "SIGTERM", ID]);
    assertEquals((await child.finish()).code, 5);
  }
  assertEquals(await leaks(before), []);
});
