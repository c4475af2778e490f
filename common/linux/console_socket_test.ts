import { assertEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../base/errors.ts";
import { listenConsole } from "./console_socket.ts";
import { close, O, open, pipe, writeSync } from "./fd.ts";
import { receiveFd, sendFd } from "./fd_passing.ts";
import { pollIdle } from "./poll.ts";
import { openPty } from "./pty.ts";
import { socketPair, unixConnect } from "./socket.ts";
import { SyscallError } from "./syscall_error.ts";
import { isTerminal, setWindowSize, windowSize } from "./terminal.ts";

const signal = AbortSignal.timeout(10_000);

Deno.test("listenConsole hands over a terminal that was sent before anybody waited", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/console`;
  {
    using consoles = listenConsole(path);
    const { master, slavePath } = openPty();
    const sender = unixConnect(path);
    sendFd(sender, master);
    close(sender);
    const received = await consoles.accept(signal);
    setWindowSize(received, 24, 80);
    const slave = open(slavePath, O.RDWR | O.NOCTTY);
    assertEquals(windowSize(slave), { rows: 24, cols: 80 });
    assertEquals(windowSize(master), { rows: 24, cols: 80 });
    for (const fd of [slave, master, received]) close(fd);
  }
  assertEquals([...Deno.readDirSync(folder)], []);
  await Deno.remove(folder);
});

Deno.test("listenConsole refuses what is no terminal, or nothing", async () => {
  const folder = await Deno.makeTempDir();
  using consoles = listenConsole(`${folder}/console`);
  const [read, write] = pipe();
  const sender = unixConnect(`${folder}/console`);
  sendFd(sender, read);
  await assertRejects(() => consoles.accept(signal), RuntimeError, "no terminal");
  const silent = unixConnect(`${folder}/console`);
  close(silent);
  const error = await assertRejects(() => consoles.accept(signal), SyscallError);
  assertEquals(error.code, "EBADMSG");
  for (const fd of [read, write, sender]) close(fd);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("listenConsole stops waiting when the signal aborts", async () => {
  const folder = await Deno.makeTempDir();
  using consoles = listenConsole(`${folder}/console`);
  await assertRejects(() => consoles.accept(AbortSignal.timeout(5)), DOMException);
  await pollIdle();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("receiveFd waits for a descriptor, and takes one only", async () => {
  const [left, right] = socketPair();
  const [read, write] = pipe();
  const receiving = receiveFd(right);
  sendFd(left, write);
  const received = await receiving;
  assertEquals(received === write, false);
  assertEquals(writeSync(received, new Uint8Array(3)), 3);
  assertEquals(isTerminal(received), false);
  for (const fd of [left, right, read, write, received]) close(fd);
});
