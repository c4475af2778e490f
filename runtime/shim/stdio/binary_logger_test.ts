import { assert, assertEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../../common/base/errors.ts";
import { startBinaryLogger } from "./binary_logger.ts";

const CONTAINER = { id: "c1", namespace: "ns" };

async function logger(script: string): Promise<{ path: string; log: string }> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/logger`;
  await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { path, log: `${folder}/log` };
}

Deno.test("startBinaryLogger waits until the logger is ready, and lets it take the last byte", async () => {
  const { path, log } = await logger(
    'echo "$CONTAINER_NAMESPACE/$CONTAINER_ID $2" >"$1"; exec 5>&-; cat <&3 >>"$1"; cat <&4 >>"$1"',
  );
  const { stdout, stderr, end } = await startBinaryLogger(path, [log, "x"], CONTAINER);
  await stdout.write(new TextEncoder().encode("out\n"));
  await stderr.write(new TextEncoder().encode("err\n"));
  await end();
  await end();
  assertEquals(await Deno.readTextFile(log), "ns/c1 x\nout\nerr\n");
});

Deno.test("startBinaryLogger asks a logger that lingers to end", async () => {
  const { path, log } = await logger(
    'trap "echo asked >$1; exit" TERM; exec 5>&-; while :; do sleep 0.05; done',
  );
  const { end } = await startBinaryLogger(path, [log], CONTAINER);
  const since = Date.now();
  await end();
  assert(Date.now() - since < 5_000);
  assertEquals(await Deno.readTextFile(log), "asked\n");
});

Deno.test("startBinaryLogger refuses a program that is not there, by name", async () => {
  await assertRejects(
    () => startBinaryLogger("/no/such/logger", [], CONTAINER),
    RuntimeError,
    "/no/such/logger",
  );
});
