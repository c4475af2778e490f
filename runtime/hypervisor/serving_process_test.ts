import { assert, assertEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { isListening, startServing } from "./serving_process.ts";

/** Binds at once, listens later, as a loaded machine makes it happen. */
const SLOW_SERVER = `
import socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
time.sleep(0.2)
server.listen()
time.sleep(60)
`;

function options(folder: string, script: string) {
  const argv = ["/usr/bin/env", "python3", "-c", script, `${folder}/s.sock`];
  return { role: "server", argv, stateDir: folder, socket: `${folder}/s.sock`, readyMs: 10_000 };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function test(name: string, work: (folder: string) => Promise<void>): void {
  // The program's one reaper stays between tests.
  const fn = (): Promise<void> => inFolder(work);
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
}

test("startServing waits until the socket listens, not only until it is there", async (folder) => {
  const signal = AbortSignal.timeout(10_000);
  const process = await startServing(options(folder, SLOW_SERVER), signal);
  try {
    (await Deno.connect({ transport: "unix", path: `${folder}/s.sock` })).close();
  } finally {
    await process.kill();
  }
});

test("startServing refuses a path that is taken, and names a program that ends", async (folder) => {
  const signal = AbortSignal.timeout(10_000);
  const dying = options(folder, "import sys; sys.exit('no luck')");
  await assertRejects(() => startServing(dying, signal), RuntimeError, "no luck");
  await Deno.writeTextFile(`${folder}/s.sock`, "");
  const taken = options(folder, SLOW_SERVER);
  await assertRejects(() => startServing(taken, signal), RuntimeError, "is there already");
});

Deno.test("isListening reads the kernel's table", () => {
  const table = `Num       RefCount Protocol Flags    Type St Inode Path
ffff0000: 00000002 00000000 00010000 0001 01 1234 /run/a b
ffff0001: 00000002 00000000 00000000 0001 01 1235 /run/c
`;
  assert(isListening(table, "/run/a b"));
  assertEquals(isListening(table, "/run/c"), false);
  assertEquals(isListening(table, "/run/d"), false);
});
