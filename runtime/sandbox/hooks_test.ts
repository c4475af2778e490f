import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { setLogSink } from "../../common/base/log.ts";
import { parseBundle } from "./bundle.ts";
import { ContainerHooks, guestHooks } from "./hooks.ts";

const signal = new AbortController().signal;

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kata-hooks-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function hooks(bundle: string, all: unknown): ContainerHooks {
  const json = { ociVersion: "1.0.2", root: { path: "r" }, annotations: { a: "b" }, hooks: all };
  return ContainerHooks.parse(parseBundle(JSON.stringify(json), bundle), "c1", bundle);
}

/** A hook of the shell. */
function shell(script: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { path: "/bin/sh", args: ["sh", "-c", script], ...more };
}

/** This process's children leave through the program's one reaper, which stays. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
}

test("hooks of a creation run in their order, in the bundle, with the state on stdin", () =>
  inFolder(async (bundle) => {
    const note = (name: string): unknown[] => [shell(`cat >> log; echo ' ${name}' >> log`)];
    const all = {
      createContainer: note("createContainer"),
      createRuntime: note("createRuntime"),
      prestart: note("prestart"),
      poststop: note("poststop"),
      poststart: note("poststart"),
    };
    await hooks(bundle, all).creating(42, signal);
    const lines = (await Deno.readTextFile(`${bundle}/log`)).trim().split("\n");
    assertEquals(lines.map((line) => line.split(" ").at(-1)), [
      "prestart",
      "createRuntime",
      "createContainer",
    ]);
    assertEquals(JSON.parse(lines[0]?.replace(/ prestart$/, "") ?? ""), {
      ociVersion: "1.0.2",
      id: "c1",
      bundle,
      annotations: { a: "b" },
      status: "creating",
      pid: 42,
    });
  }));

test("hooks later in life are told where the container stands", () =>
  inFolder(async (bundle) => {
    const all = { poststart: [shell("cat > start")], poststop: [shell("cat > stop")] };
    const both = hooks(bundle, all);
    await both.started(42);
    await both.stopped();
    const read = async (name: string) => JSON.parse(await Deno.readTextFile(`${bundle}/${name}`));
    const start = await read("start"), stop = await read("stop");
    assertEquals([start.status, start.pid], ["running", 42]);
    assertEquals([stop.status, "pid" in stop], ["stopped", false]);
  }));

test("a hook has its own name and environment, and nothing of ours", () =>
  inFolder(async (bundle) => {
    Deno.env.set("KATA_TEST_SECRET", "x");
    const script = "echo $0 $A $KATA_TEST_SECRET > out";
    const args = ["other-name", "-c", script, "zero"];
    const all = { prestart: [{ path: "/bin/sh", args, env: ["A=b=c"] }] };
    await hooks(bundle, all).creating(1, signal);
    Deno.env.delete("KATA_TEST_SECRET");
    assertEquals(await Deno.readTextFile(`${bundle}/out`), "zero b=c\n");
  }));

test("a hook that fails tells why, and the next ones do not run", () =>
  inFolder(async (bundle) => {
    const bad = shell("echo no 'such\tnetwork' >&2; exit 3");
    const both = hooks(bundle, { createRuntime: [bad, shell("touch ran")] });
    await assertRejects(
      () => both.creating(1, signal),
      RuntimeError,
      'createRuntime hook "/bin/sh" of "c1" ended with status 3: no such network',
    );
    assertEquals([...Deno.readDirSync(bundle)], []);
    const missing = hooks(bundle, { prestart: [{ path: "/no/such/hook" }] });
    await assertRejects(() => missing.creating(1, signal), RuntimeError, "/no/such/hook");
  }));

test("a hook that takes too long is killed with its children, and so is one that is not wanted any more", () =>
  inFolder(async (bundle) => {
    const slow = shell("sleep 60 & wait", { timeout: 1 });
    const since = Date.now();
    await assertRejects(
      () => hooks(bundle, { poststart: [slow] }).started(1),
      RuntimeError,
      "longer than 1000 ms",
    );
    assert(Date.now() - since < 3_000, `${Date.now() - since} ms`);
    const endless = hooks(bundle, { prestart: [shell("sleep 60")] });
    await assertRejects(() => endless.creating(1, AbortSignal.timeout(50)), RuntimeError);
  }));

test("a hook that floods its output is ended", () =>
  inFolder(async (bundle) => {
    const flood = hooks(bundle, { poststart: [shell("exec yes")] });
    await assertRejects(() => flood.started(1), RuntimeError, "exceeds");
  }));

test("poststop hooks all run, whatever one does; the log has the failure", () =>
  inFolder(async (bundle) => {
    const lines: string[] = [];
    setLogSink((line) => lines.push(line));
    await hooks(bundle, { poststop: [shell("exit 9"), shell("touch ran")] }).stopped();
    assertEquals([...Deno.readDirSync(bundle)].map(({ name }) => name), ["ran"]);
    assert(lines.some((line) => line.includes("ended with status 9")), lines.join());
  }));

Deno.test("ContainerHooks refuses what is no hook, naming the key", () => {
  const refused = (all: unknown, message: string) =>
    assertThrows(() => hooks("/b", all), RuntimeError, message);
  refused([], "hooks is not an object");
  refused({ prestart: {} }, "hooks.prestart is not a list");
  refused({ poststop: [null] }, "hooks.poststop[0] is not an object");
  refused({ poststart: [{ path: "hook" }] }, "hooks.poststart[0].path is not an absolute path");
  refused({ prestart: [{ path: "/h", args: [1] }] }, "hooks.prestart[0].args");
  refused({ prestart: [{ path: "/h", env: "A=b" }] }, "hooks.prestart[0].env");
  refused({ prestart: [{ path: "/h", timeout: 0 }] }, "hooks.prestart[0].timeout");
  refused({ prestart: new Array(65).fill({ path: "/h" }) }, "at most 64");
  hooks("/b", undefined);
  hooks("/b", null);
});

Deno.test("ContainerHooks takes any JSON with a RuntimeError at worst", () => {
  const kind = fc.constantFrom("prestart", "createRuntime", "poststart", "poststop");
  fc.assert(fc.property(fc.dictionary(kind, fc.jsonValue()), (all) => {
    try {
      hooks("/b", all);
    } catch (error) {
      assert(error instanceof RuntimeError, String(error));
    }
  }));
});

Deno.test("guestHooks keeps startContainer alone", () => {
  const startContainer = [{ path: "/in/container" }];
  assertEquals(guestHooks({ startContainer, prestart: [{ path: "/h" }] }), { startContainer });
  assertEquals(guestHooks({ prestart: [{ path: "/h" }] }), undefined);
  assertEquals(guestHooks(undefined), undefined);
});
