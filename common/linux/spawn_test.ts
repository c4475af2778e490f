import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { close, O, open, pipe } from "./fd.ts";
import { FdStream } from "./fd_stream.ts";
import { getpid } from "./process.ts";
import { openPty } from "./pty.ts";
import { reaper } from "./reaper.ts";
import { spawn, type SpawnOptions } from "./spawn.ts";
import { SyscallError } from "./syscall_error.ts";

/** Runs a shell line with its stdout in a pipe; other options as given. */
async function shell(line: string, options: Omit<SpawnOptions, "argv"> = {}): Promise<string> {
  const [read, write] = pipe();
  using reader = new FdStream(read);
  const pid = spawn({
    argv: ["/bin/sh", "-c", line],
    ...options,
    fds: { ...options.fds, 1: write },
  });
  close(write);
  let output = "";
  const buffer = new Uint8Array(65536);
  for (let count; (count = await reader.read(buffer)) !== null;) {
    output += new TextDecoder().decode(buffer.subarray(0, count));
  }
  await reaper().exit(pid);
  return output.trimEnd();
}

Deno.test("spawn gives the child /dev/null for stdio and no other descriptor", async () => {
  const inherited = open("/etc/hostname", O.RDONLY);
  const line =
    "for fd in /proc/self/fd/*; do echo ${fd##*/}; done; readlink /proc/$$/fd/0 /proc/$$/fd/2";
  // The shell itself opens one to list the folder.
  assertEquals(await shell(line), "0\n1\n2\n3\n/dev/null\n/dev/null");
  close(inherited);
});

Deno.test("spawn closes what is not close-on-exec too", async () => {
  const argv = [Deno.execPath(), "eval", "--no-lock", "--no-config"];
  const script = `
    import { pipe, setCloexec } from ${JSON.stringify(new URL("./fd.ts", import.meta.url))};
    import { spawn } from ${JSON.stringify(new URL("./spawn.ts", import.meta.url))};
    import { reaper } from ${JSON.stringify(new URL("./reaper.ts", import.meta.url))};
    for (const fd of pipe()) setCloexec(fd, false);
    // The shell itself opens 3 to list the folder.
    const argv = ["/bin/sh", "-c", "cd /proc/$$/fd; echo *"];
    await reaper().exit(spawn({ argv, fds: { 1: 1 } }));
  `;
  const [read, write] = pipe();
  using reader = new FdStream(read);
  const pid = spawn({ argv: [...argv, script], fds: { 1: write } });
  close(write);
  const buffer = new Uint8Array(100);
  const count = await reader.read(buffer) ?? 0;
  assertEquals(new TextDecoder().decode(buffer.subarray(0, count)), "0 1 2 3\n");
  assertEquals(await reaper().exit(pid), { code: 0 });
});

Deno.test("spawn maps descriptors as if all at once, however sources and targets overlap", async () => {
  // In a program of its own, whose 0, 1 and 2 may be swapped at will.
  const script = `
    import { spawn } from ${JSON.stringify(new URL("./spawn.ts", import.meta.url))};
    import { reaper } from ${JSON.stringify(new URL("./reaper.ts", import.meta.url))};
    const argv = ["/bin/sh", "-c", "links=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/3); echo \\"$links\\" >&2"];
    await reaper().exit(spawn({ argv, fds: { 0: 1, 1: 0, 2: 2, 3: 1 } }));
  `;
  const paths = [await Deno.makeTempFile(), await Deno.makeTempFile(), await Deno.makeTempFile()];
  const fds = paths.map((path) => open(path, O.RDWR));
  const [zero = -1, one = -1, two = -1] = fds;
  const pid = spawn({
    argv: [Deno.execPath(), "eval", "--no-lock", "--no-config", script],
    fds: { 0: zero, 1: one, 2: two },
  });
  fds.forEach(close);
  assertEquals(await reaper().exit(pid), { code: 0 });
  const said = await Deno.readTextFile(paths[2] ?? "");
  assertEquals(said, `${paths[1]}\n${paths[0]}\n${paths[1]}\n`);
  for (const path of paths) await Deno.remove(path);
});

Deno.test("spawn keeps a descriptor mapped to its own number open", async () => {
  const file = open("/etc/passwd", O.RDONLY); // close-on-exec in this program
  const output = await shell(`readlink /proc/$$/fd/${file}`, { fds: { [file]: file } });
  assertEquals(output, "/etc/passwd");
  close(file);
});

Deno.test("spawn resets ignored and blocked signals", async () => {
  const status = await shell("grep -E 'SigBlk|SigIgn' /proc/self/status");
  assertEquals(status, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000");
});

Deno.test("spawn passes environment and working directory", async () => {
  assertEquals(await shell("echo $A; pwd", { env: { A: "1 2=ä" }, cwd: "/usr" }), "1 2=ä\n/usr");
  assertEquals(await shell("echo ${PATH:+inherited}"), "inherited");
  assertEquals(await shell("/usr/bin/env | grep -v -E '^(PWD|SHLVL|_|OLDPWD)='", { env: {} }), "");
});

Deno.test("spawn makes sessions and process groups on request", async () => {
  const line = "cut -d' ' -f1,5,6 /proc/$$/stat";
  const session = (await shell(line, { newSession: true })).split(" ");
  assertEquals([session[1], session[2]], [session[0], session[0]]);
  const group = (await shell(line, { processGroup: true })).split(" ");
  assertEquals(group[1], group[0]);
  assertEquals(group[2] === group[0], false);
});

Deno.test("spawn says which program it could not start, and why", () => {
  const error = assertThrows(() => spawn({ argv: ["/no/such/program"] }), SyscallError);
  assertEquals([error.code, error.subject], ["ENOENT", "/no/such/program"]);
  assertThrows(() => spawn({ argv: ["sh"] }), TypeError, "absolute");
  assertThrows(() => spawn({ argv: [] }), TypeError, "absolute");
  assertThrows(() => spawn({ argv: ["/bin/sh", "a\0b"] }), TypeError, "NUL");
  assertThrows(() => spawn({ argv: ["/bin/sh"], fds: { 9999: 1 } }), RangeError);
});

Deno.test("spawn's child is ours", async () => {
  assertStringIncludes(await shell("echo $PPID"), String(getpid()));
});

Deno.test("spawn opens a path in the child: a new session's first terminal is its controlling one", async () => {
  const { master, slavePath } = openPty();
  using terminal = new FdStream(master);
  const line = "tty; echo mine > /dev/tty"; // what /dev/tty is, only a controlling terminal can say
  assertEquals(await shell(line, { fds: { 0: slavePath }, newSession: true }), slavePath);
  const buffer = new Uint8Array(100);
  const count = await terminal.read(buffer) ?? 0;
  assertEquals(new TextDecoder().decode(buffer.subarray(0, count)), "mine\r\n");
});
