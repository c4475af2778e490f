/** Clients that lose patience, leave in the middle, or ask what makes no sense: nothing is lost or left. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { isAlive, processStartTime } from "../../common/linux/process.ts";
import { Status } from "../../common/protocol/gen/containerd/process_pb.ts";
import { StateRequestSchema } from "../../common/protocol/gen/containerd/task_pb.ts";
import { requestFrame, requestPrefix } from "../../common/protocol/ttrpc/envelope.ts";
import { FrameType, writeHeader } from "../../common/protocol/ttrpc/frame.ts";
import { create, toBinary } from "@bufbuild/protobuf";
import { output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { ShimByHand } from "../support/shim_by_hand.ts";

/** How soon State must be answered, whatever else goes on, in milliseconds. Source: containerd's task State. */
const STATE_MS = 2_000;

/** Waits for the VMM of a sandbox that is being made. */
async function vmmOf(id: string): Promise<number> {
  for (;;) {
    const states = JSON.parse(await output([`${DIST}/kata-runtime`, "sandboxes", "--json"]));
    const state = states.find((each: { id: string }) => each.id === id);
    const processes: { role: string; pid: number }[] = state?.vm?.processes ?? [];
    const vmm = processes.find(({ role }) => role === "qemu");
    if (vmm) return vmm.pid;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function timed<T>(call: Promise<T>): Promise<number> {
  const started = performance.now();
  await call.catch(() => {}); // what it answers is not the question here
  return performance.now() - started;
}

function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]);
}

Deno.test("while a boot stalls State answers; a client that leaves then leaves nothing behind", async () => {
  const before = await snapshot();
  {
    await using shim = await ShimByHand.start("stall", ["sleep", "1000"]);
    const task = await shim.connect();
    const { id, bundle } = shim;
    const creating = task.create({ id, bundle });
    const failed = creating.then(() => Promise.reject(new Error("created too soon")));
    failed.catch(() => {}); // it ends with its client
    const vmm = await Promise.race([vmmOf(id), failed]);
    Deno.kill(vmm, "SIGSTOP");
    assert(await timed(task.state({ id })) < STATE_MS);
    await assertRejects(() => task.state({ id }), RuntimeError, "Cannot find");
    assertEquals((await task.connect({ id })).taskPid, 0);
    shim.disconnect();
    await shim.delete();
    await shim.delete();
  }
  assertEquals(await leaks(before), []);
});

Deno.test("calls of impatient and of nonsensical clients", async (test) => {
  const before = await snapshot();
  {
    await using shim = await ShimByHand.start("hand", ["sleep", "1000"]);
    const { id, bundle } = shim;
    const task = await shim.connect();
    await task.create({ id, bundle });
    await task.start({ id });

    await test.step("ids that climb, are too long or unknown are refused", async () => {
      for (const bad of ["../up", "a/../../b", "..", "x".repeat(5000), ""]) {
        await assertRejects(() => task.create({ id: bad, bundle }), RuntimeError);
        await assertRejects(() => task.state({ id: bad }), RuntimeError);
        await assertRejects(() => task.kill({ id: bad, signal: 9 }), RuntimeError);
        if (bad !== "") {
          await assertRejects(() => task.state({ id, execId: bad }), RuntimeError);
          await assertRejects(() => task.exec({ id, execId: bad }), RuntimeError);
        }
      }
    });

    await test.step("a message of 5 MiB is refused, and the connection lives on", async () => {
      const error = await assertRejects(
        () => task.state({ id: "x".repeat(5 * 1024 * 1024) }),
        RuntimeError,
      );
      assertEquals(error.code, Code.ResourceExhausted);
      using connection = await Deno.connect({ transport: "unix", path: shim.socket });
      const frame = new Uint8Array(10 + 5 * 1024 * 1024);
      writeHeader(frame, frame.length - 10, 1, FrameType.Request, 0);
      for (let at = 0; at < frame.length;) at += await connection.write(frame.subarray(at));
      const answer = new Uint8Array(4096);
      assert((await connection.read(answer) ?? 0) > 10);
      assertEquals((await task.state({ id })).status, Status.RUNNING);
    });

    await test.step("10,000 requests whose answers nobody reads harm nobody", async () => {
      const size = residentKiB(shim.pid);
      using connection = await Deno.connect({ transport: "unix", path: shim.socket });
      const request = toBinary(StateRequestSchema, create(StateRequestSchema, { id }));
      const flood = (async (): Promise<void> => {
        for (let at = 0; at < 10_000; at++) {
          const frame = requestFrame({
            streamId: 2 * at + 1,
            flags: 0,
            prefix: requestPrefix("containerd.task.v2.Task", "State"),
            payload: request,
            timeoutNano: 0,
            metadata: undefined,
          });
          for (let done = 0; done < frame.length;) {
            done += await connection.write(frame.subarray(done));
          }
        }
      })();
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, 10_000); // a shim may stop reading from such a client
      await Promise.race([flood.catch(() => {}), late.promise]);
      clearTimeout(timer);
      assert(await timed(task.state({ id })) < STATE_MS);
      const grownKiB = residentKiB(shim.pid) - size;
      assert(grownKiB < 64 * 1024, `grown by ${grownKiB} KiB`);
    });

    await test.step("a Delete that its client gave up is done all the same, and Shutdown ends the shim", async () => {
      const exited = task.wait({ id });
      await task.kill({ id, signal: 9 });
      assertEquals((await exited).exitStatus, 137);
      const error = await assertRejects(() => task.delete({ id }, { timeoutMs: 1 }), RuntimeError);
      assertEquals(error.code, Code.DeadlineExceeded);
      await task.delete({ id }).catch((error: unknown) => {
        assert(error instanceof RuntimeError && error.code === Code.NotFound);
      });
      const { pid } = shim, born = processStartTime(pid);
      await task.shutdown({ id });
      while (isAlive(pid, born)) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
  }
  assertEquals(await leaks(before), []);
});
