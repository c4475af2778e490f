import { assert, assertEquals, assertMatch } from "@std/assert";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { BootstrapParamsSchema } from "../../common/protocol/gen/containerd/bootstrap_pb.ts";
import { DeleteResponseSchema, Task } from "../../common/protocol/gen/containerd/task_pb.ts";
import { TtrpcClient } from "../../common/protocol/ttrpc/client.ts";
import { createClient } from "../../common/protocol/ttrpc/service.ts";
import { command } from "../../tools/lib/command.ts";
import { SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";

const CONFIG = '{"ociVersion":"1.0.2","root":{"path":"rootfs"}}';

/** A bundle in a folder of its own. */
async function makeBundle(): Promise<string> {
  const bundle = await Deno.makeTempDir({ prefix: "kata-bundle-" });
  await Deno.writeTextFile(`${bundle}/config.json`, CONFIG);
  return bundle;
}

function flags(id: string): string[] {
  return ["-namespace", "test", "-address", "/run/no-such-engine.sock", "-id", id];
}

/** What engines write to start's stdin. */
function stdinForms(id: string): [name: string, bytes: Uint8Array | undefined][] {
  const any = create(AnySchema, { typeUrl: "runtimeoptions.v1.Options", value: new Uint8Array(3) });
  const params = create(BootstrapParamsSchema, { instanceId: id, namespace: "test" });
  return [
    ["none at all", undefined],
    ["nothing", new Uint8Array()],
    ["options", toBinary(AnySchema, any)],
    ["bootstrap parameters", toBinary(BootstrapParamsSchema, params)],
    ["noise", crypto.getRandomValues(new Uint8Array(1000))],
  ];
}

Deno.test("start answers every engine with the plain address alone, and Shutdown ends the server", async () => {
  const before = await snapshot();
  const id = "startforms";
  for (const [name, stdin] of stdinForms(id)) {
    const bundle = await makeBundle();
    const { code, stdout, stderr } = await command(
      [SHIM_PATH, ...flags(id), "-debug", "start"],
      { cwd: bundle, ...(stdin === undefined ? {} : { stdin }) },
    );
    assertEquals([code, stderr], [0, ""], name);
    assertMatch(stdout, /^unix:\/\/\/run\/containerd\/s\/[0-9a-f]{64}$/);
    assertEquals(await Deno.readTextFile(`${bundle}/address`), stdout);
    const path = stdout.replace("unix://", "");
    assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    using client = new TtrpcClient(await Deno.connect({ transport: "unix", path }));
    const task = createClient(Task, client, { timeoutMs: 5_000 });
    const { shimPid, taskPid } = await task.connect({ id });
    assertEquals(taskPid, 0);
    assertEquals(Number(await Deno.readTextFile(`${bundle}/shim.pid`)), shimPid);
    const adjustment = (pid: number | "self"): number =>
      Number(Deno.readTextFileSync(`/proc/${pid}/oom_score_adj`));
    assertEquals(adjustment(shimPid), Math.min(1000, adjustment("self") + 1));
    await task.shutdown({ id });
    await client.closed;
    await Deno.remove(bundle, { recursive: true });
  }
  assertEquals(await leaks(before), []);
});

Deno.test("start for a container of a pod that nobody serves fails with its reason", async () => {
  const bundle = await Deno.makeTempDir({ prefix: "kata-bundle-" });
  const annotations = {
    "io.kubernetes.cri.container-type": "container",
    "io.kubernetes.cri.sandbox-id": "gone",
  };
  await Deno.writeTextFile(
    `${bundle}/config.json`,
    JSON.stringify({ ...JSON.parse(CONFIG), annotations }),
  );
  const { code, stderr } = await command([SHIM_PATH, ...flags("member"), "start"], { cwd: bundle });
  assertEquals(code, 1);
  assertMatch(stderr, /nobody serves its sandbox "gone"/);
  await Deno.remove(bundle, { recursive: true });
});

Deno.test("delete repeats the exit that the shim told, as often as asked", async () => {
  const bundle = await makeBundle();
  const at = Date.now() - 60_000;
  const saved = { pid: 4711, exit: { status: 7, at } };
  await Deno.writeTextFile(`${bundle}/kata-exit.json`, JSON.stringify(saved));
  for (let times = 0; times < 2; times++) {
    const child = new Deno.Command(SHIM_PATH, {
      args: [...flags("deleted"), "-bundle", bundle, "delete"],
      cwd: bundle,
    });
    const { code, stdout } = await child.output();
    const { pid, exitStatus, exitedAt } = fromBinary(DeleteResponseSchema, stdout);
    assertEquals([code, pid, exitStatus], [0, 4711, 7]);
    assertEquals(exitedAt?.seconds, BigInt(Math.floor(at / 1000)));
  }
  await Deno.remove(bundle, { recursive: true });
});

Deno.test("delete of what never was says killed, now", async () => {
  const bundle = await makeBundle();
  const child = new Deno.Command(SHIM_PATH, {
    args: [...flags("never"), "-bundle", bundle, "delete"],
    cwd: bundle,
  });
  const { code, stdout } = await child.output();
  const { exitStatus, exitedAt } = fromBinary(DeleteResponseSchema, stdout);
  assertEquals([code, exitStatus], [0, 137]);
  assert(Math.abs(Number(exitedAt?.seconds) - Date.now() / 1000) < 10);
  await Deno.remove(bundle, { recursive: true });
});
