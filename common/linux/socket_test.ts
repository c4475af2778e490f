import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { close } from "./fd.ts";
import { FdStream } from "./fd_stream.ts";
import { getpid } from "./process.ts";
import { pollIdle } from "./poll.ts";
import {
  accept,
  peerCredentials,
  unixConnect,
  unixListen,
  VMADDR_CID_LOCAL,
  vsockConnect,
  vsockListen,
} from "./socket.ts";
import { SyscallError } from "./syscall_error.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function converses(path: string): Promise<void> {
  const listener = unixListen(path);
  const accepting = accept(listener);
  using client = new FdStream(unixConnect(path));
  using server = new FdStream(await accepting);
  assertEquals(peerCredentials(server.fd).pid, getpid());
  const buffer = new Uint8Array(8);
  await client.write(new Uint8Array([1, 2]));
  assertEquals(await server.read(buffer), 2);
  await server.write(new Uint8Array([3]));
  assertEquals(await client.read(buffer), 1);
  await client.closeWrite();
  assertEquals(await server.read(buffer), null);
  close(listener);
}

Deno.test("unixListen, unixConnect and accept make connections", () =>
  withFolder((folder) => converses(`${folder}/socket`)));

Deno.test("unixListen and unixConnect reach paths beyond 107 bytes", () =>
  withFolder(async (folder) => {
    const deep = `${folder}/${"d".repeat(60)}/${"e".repeat(60)}`;
    await Deno.mkdir(deep, { recursive: true });
    await converses(`${deep}/socket`);
    assertThrows(() => unixListen(`${folder}/${"n".repeat(120)}`), RangeError);
  }));

Deno.test("unixListen creates the path for its owner alone", () =>
  withFolder(async (folder) => {
    const listener = unixListen(`${folder}/socket`);
    assertEquals((await Deno.stat(`${folder}/socket`)).mode ?? 0 & 0o777, 0o140600);
    assertEquals(
      assertThrows(() => unixListen(`${folder}/socket`), SyscallError).code,
      "EADDRINUSE",
    );
    close(listener);
    const refused = assertThrows(() => unixConnect(`${folder}/socket`), SyscallError);
    assertEquals(refused.code, "ECONNREFUSED");
    assertEquals(
      assertThrows(() => unixConnect(`${folder}/none`), SyscallError).code,
      "ENOENT",
    );
  }));

Deno.test("accept takes all that queue up, and stops when its signal aborts", () =>
  withFolder(async (folder) => {
    const listener = unixListen(`${folder}/socket`);
    const clients = [1, 2, 3].map(() => unixConnect(`${folder}/socket`));
    for (const client of clients) {
      close(await accept(listener));
      close(client);
    }
    await assertRejects(() => accept(listener, AbortSignal.timeout(10)), DOMException, "timed out");
    await pollIdle();
    close(listener);
  }));

Deno.test("vsock ports can be taken once", () => {
  const listener = vsockListen(54321);
  assertEquals(assertThrows(() => vsockListen(54321), SyscallError).code, "EADDRINUSE");
  close(listener);
});

/** Needs a kernel with vsock_loopback; others let the connection time out. */
async function loopbackWorks(): Promise<boolean> {
  const listener = vsockListen(54322);
  try {
    close(await vsockConnect(VMADDR_CID_LOCAL, 54322, AbortSignal.timeout(200)));
    return true;
  } catch (error) {
    if (error instanceof SyscallError || error instanceof DOMException) return false;
    throw error;
  } finally {
    close(listener);
    await pollIdle();
  }
}

Deno.test("vsockConnect stops when its signal aborts", async () => {
  const nobody = 4_000_000; // a context id that no machine here has
  const connecting = vsockConnect(nobody, 1, AbortSignal.abort(new Error("enough")));
  const error = await assertRejects(() => connecting, Error);
  assertEquals(["enough", `connect vsock ${nobody}:1: ENODEV`].includes(error.message), true);
  await pollIdle();
});

Deno.test({
  name: "vsockConnect, vsockListen and accept make connections",
  ignore: !await loopbackWorks(),
  fn: async () => {
    const listener = vsockListen(54324);
    const accepting = accept(listener);
    using client = new FdStream(await vsockConnect(VMADDR_CID_LOCAL, 54324));
    using server = new FdStream(await accepting);
    await client.write(new Uint8Array(100_000));
    await client.closeWrite();
    let total = 0;
    const buffer = new Uint8Array(65536);
    for (let count; (count = await server.read(buffer)) !== null;) total += count;
    assertEquals(total, 100_000);
    close(listener);
  },
});
