import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { close, pipe, readSync } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { kill, SIGNALS } from "../../common/linux/process.ts";
import { SyscallError } from "../../common/linux/syscall_error.ts";
import { reaper } from "../../common/linux/reaper.ts";
import { openPidfd } from "../../common/linux/pidfd.ts";
import { ready, socketPair } from "../../common/linux/socket.ts";
import { spawn } from "../../common/linux/spawn.ts";
import { relayProgram } from "../../tests/support/relay.ts";
import { Relay } from "./relay.ts";

const program = await relayProgram();

/** Until it has blocked signals, to read them, they do what they do by default. */
async function readsSignals(pid: number): Promise<void> {
  while (!/SigBlk:\s+f/.test(Deno.readTextFileSync(`/proc/${pid}/status`))) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A relay, and what it was signalled. */
async function start(): Promise<
  { relay: Relay; signals: number[]; signalled(count: number): Promise<void> }
> {
  const signals: number[] = [];
  let wake = (): void => {};
  const onSignal = (signal: number): void => {
    signals.push(signal);
    wake();
  };
  const relay = Relay.start({ name: "test", onSignal, program });
  await readsSignals(relay.pid);
  const signalled = async (count: number): Promise<void> => {
    while (signals.length < count) await new Promise<void>((resolve) => wake = resolve);
  };
  return { relay, signals, signalled };
}

Deno.test("Relay ends with the status that it is told, also when it was stopped", async () => {
  for (const stopped of [false, true]) {
    const { relay, signals } = await start();
    const ended = reaper().exit(relay.pid);
    if (stopped) kill(relay.pid, SIGNALS.SIGSTOP);
    relay.end(7);
    relay.end(8);
    assertEquals(await ended, { code: 7 });
    assertEquals(signals, []);
  }
});

Deno.test("Relay is told to have ended when its pid is nobody's", async () => {
  const { relay } = await start();
  await relay.end(0);
  assertThrows(() => kill(relay.pid, 0), SyscallError, "ESRCH");
});

Deno.test("Relay passes signals on and lives; SIGKILL ends it and is told", async () => {
  const { relay, signals, signalled } = await start();
  const ended = reaper().exit(relay.pid);
  for (const signal of [SIGNALS.SIGTERM, SIGNALS.SIGUSR1, 40]) {
    kill(relay.pid, signal);
    await signalled(signals.length + 1);
  }
  kill(relay.pid, SIGNALS.SIGKILL);
  await signalled(4);
  assertEquals(signals, [SIGNALS.SIGTERM, SIGNALS.SIGUSR1, 40, SIGNALS.SIGKILL]);
  assertEquals(await ended, { signal: SIGNALS.SIGKILL });
  relay.end(0); // too late, and harmless
});

Deno.test("Relay stays below a MiB", async () => {
  const { relay } = await start();
  const status = Deno.readTextFileSync(`/proc/${relay.pid}/status`);
  const kib = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
  assert(kib < 1024, `${kib} KiB`);
  const ended = reaper().exit(relay.pid);
  relay.end(0);
  await ended;
});

Deno.test("Relay refuses a namespace or a program that is not there, by name", () => {
  const onSignal = (): void => {};
  assertThrows(
    () => Relay.start({ name: "x", onSignal, program, netnsPath: "/no/such/netns" }),
    RuntimeError,
    "/no/such/netns",
  );
  assertThrows(
    () => Relay.start({ name: "x", onSignal, program: "/no/such/relay" }),
    RuntimeError,
    "Cannot start a relay",
  );
});

/** A relay that somebody else started, and the end of its socket that the server has. */
async function startForeign(
  env: Record<string, string>,
): Promise<{ pid: number; channel: FdStream }> {
  const [ours, theirs] = socketPair();
  const [report, reported] = pipe();
  const starter = spawn({ argv: ["sleeper", "9"], program, env, fds: { 0: theirs, 5: reported } });
  close(theirs);
  close(reported);
  assertEquals(await reaper().exit(starter), { code: 0 });
  const pid = new Int32Array(1);
  readSync(report, new Uint8Array(pid.buffer));
  close(report);
  return { pid: pid[0] ?? 0, channel: new FdStream(ours) };
}

/** Resolves when a process that is not our child has ended. */
async function ended(pid: number): Promise<void> {
  using pidfd = openPidfd(pid);
  await ready(pidfd.fd, "readable");
}

Deno.test({
  name: "Relay of its own namespaces shows the container's files, mounts and processes only",
  ignore: Deno.uid() !== 0,
}, async () => {
  const root = Deno.makeTempDirSync(), volume = Deno.makeTempDirSync();
  for (const folder of ["proc", "data"]) Deno.mkdirSync(`${root}/${folder}`);
  Deno.symlinkSync("../../../../data", `${root}/link`);
  Deno.writeTextFileSync(`${volume}/inside`, "");
  const { pid, channel } = await startForeign({});
  const relay = Relay.adopt(pid, channel, () => {});
  const mounts = [
    { source: volume, destination: "/link" },
    { source: "/no/such", destination: "/data" },
    { source: volume, destination: "/nowhere" },
  ];
  await relay.enter({ path: root, mounts });
  const names = (path: string): string[] =>
    [...Deno.readDirSync(`/proc/${pid}/root${path}`)].map(({ name }) => name).sort();
  assertEquals(names("/"), ["data", "link", "proc"]);
  assertEquals(names("/data"), ["inside"]);
  assertEquals(names("/proc").filter((name) => /^\d+$/.test(name)), ["1"]);
  assertEquals(Deno.readTextFileSync(`/proc/${pid}/cmdline`), "sleeper\x009\0");
  assertEquals(Deno.readTextFileSync(`/proc/${pid}/comm`), "sleeper\n");
  const end = ended(pid);
  relay.end(3);
  await end;
  for (const folder of [root, volume]) Deno.removeSync(folder, { recursive: true });
});

Deno.test({
  name: "Relay tells that a root file system is not there; killed, it takes its process along",
  ignore: Deno.uid() !== 0,
}, async () => {
  const { pid, channel } = await startForeign({ RELAY_NETNS: "new" });
  const { promise: signalled, resolve } = Promise.withResolvers<number>();
  const relay = Relay.adopt(pid, channel, resolve);
  const own = Deno.readLinkSync("/proc/self/ns/net");
  assertNotEquals(Deno.readLinkSync(`/proc/${pid}/ns/net`), own);
  await assertRejects(() => relay.enter({ path: "/no/such", mounts: [] }), RuntimeError, "errno 2");
  const end = ended(pid);
  kill(pid, SIGNALS.SIGKILL);
  assertEquals(await signalled, SIGNALS.SIGKILL);
  await end;
});
