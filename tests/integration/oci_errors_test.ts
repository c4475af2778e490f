/** Every verb where it cannot do what is asked: what runc says and ends with, beside what we do. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { CommandResult } from "../../tools/lib/command.ts";
import { command } from "../../tools/lib/command.ts";
import { Bundle } from "../support/bundle.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { KATA_RUNTIME, OciCli } from "../support/oci_cli.ts";

/** By its name: it calls itself as it was called. */
const RUNC = "runc";
const ID = "c";
/** Ends as told by SIGTERM. */
const FOREVER = ["sh", "-c", "trap 'exit 5' TERM; while :; do sleep 1000 & wait; done"];

/** A verb with its words; with `ours` it ends otherwise than with runc, for the reason given. */
interface Case {
  readonly args: readonly string[];
  readonly ours?: { readonly code: number; readonly says: RegExp; readonly because: string };
}

function same(...lines: readonly string[]): Case[] {
  return lines.map((line) => ({ args: line.split(" ") }));
}

function ours(line: string, code: number, says: RegExp, because: string): Case {
  return { args: line.split(" "), ours: { code, says, because } };
}

const UNJOINED = "what has not started cannot be joined or frozen; no engine asks for it";
const STATES: Readonly<Record<string, readonly Case[]>> = {
  created: [
    ...same("state c", "ps c", "resume c", "create c", "run c", "kill c NOSIG", "kill c 99"),
    ...same("kill --all c 0", "update c", "events --stats c"),
    ours("exec c true", 255, /not running/, UNJOINED),
    ours("pause c", 1, /not running/, UNJOINED),
  ],
  running: [
    ...same("start c", "resume c", "delete c", "create c", "run c", "exec c nosuch"),
    ...same(
      "exec c /proc",
      "ps -f nope c",
      "list -f nope",
      "events c x",
      "update c",
      "kill c NOSIG",
    ),
    ours("exec c", 1, /debug_console_enabled/, "one word asks for a shell in the guest"),
    ours(
      "update --pids-limit x c",
      1,
      /invalid value.*pids-limit/,
      "the flag is called by its name",
    ),
    ours("update --resources /nosuch c", 1, /"\/nosuch"/, "the message says what the file is for"),
  ],
  paused: [
    ...same("state c", "start c", "pause c", "exec c true", "ps c", "events --stats c", "delete c"),
    ...same("update --pids-limit 77 c", "kill c 0"),
  ],
  stopped: [
    ...same("state c", "start c", "kill c", "kill --all c KILL", "pause c", "resume c", "ps c"),
    ...same("exec c true", "events --stats c", "events c", "update --pids-limit 3 c", "create c"),
  ],
};

const VERBS = ["state", "start", "kill", "delete", "pause", "resume", "ps", "update", "events"];
const HOSTILE = ["../x", "/etc", "a/b", "..", ".", "", "a b", "a;b", "é", "a\nb", "-x", "--"];
const LONG = "a".repeat(300);

/** Without any container. */
function alone(empty: string): Case[] {
  const hostile = HOSTILE.flatMap((id) =>
    [...VERBS, "exec"].map((verb) => ({ args: verb === "exec" ? [verb, id, "true"] : [verb, id] }))
  );
  const made = HOSTILE.flatMap((id) =>
    ["create", "run"].map((verb) => ({ args: [verb, "-b", empty, id] }))
  );
  return [
    ...VERBS.map((verb) => ({ args: [verb, "unknown"] })),
    ...same("exec unknown true", "exec -d unknown", "delete --force unknown", "kill unknown NOSIG"),
    ...hostile.filter(({ args }) => args[1] !== "-x"),
    ...same("state -x", "create -x", "exec --nope c true"),
    ...made.filter(({ args }) => args[3] !== "-x"),
    ours(`state ${LONG}`, 1, /invalid container ID format/, "runc meets the file system's limit"),
    ours(`create ${LONG}`, 1, /config.json|invalid container ID format/, "as above"),
    { args: ["create", "-b", empty, "c"] },
    { args: ["run", "-b", empty, "c"] },
    ...same("create -b /nosuch c", "run -b /nosuch c"),
    ...VERBS.map((verb) => ({ args: [verb] })),
    ...same("create", "run", "exec", "state a b", "start a b", "delete a b", "pause a b"),
    ...same("resume a b", "update a b", "events a b", "kill a 9 9", "create a b", "run a b"),
    ...same("list x", "features x", "spec x", "nosuch", "help nosuch", "--nope state"),
    ...same("state --nope a", "create --pid-file", "kill --all", "--log-format nope list"),
    ...same("--log /nosuch/x list", "list -f nope"),
  ];
}

/** What stands in a message of runc's, and would in ours. */
function runcMessage(stderr: string): string {
  const line = stderr.trim().split("\n").at(-1) ?? "";
  const [, quoted] = /msg=(".*")$/.exec(line) ?? [];
  const text = quoted === undefined ? line : JSON.parse(quoted);
  return text.replace(/^(\S*\/)?runc\b/, "kata-runtime").trim();
}

/** In the words that both use for the same things. */
function plain(text: string): string {
  return text.trim().replace(/: see kata-runtime help$/, "");
}

function compare({ args, ours }: Case, kata: CommandResult, runc: CommandResult): void {
  const what = `${args.join(" ")}: ${kata.stderr}${runc.stderr}`;
  if (ours) {
    assertEquals(kata.code, ours.code, what);
    assertMatch(kata.stderr, ours.says);
    return;
  }
  assertEquals(kata.code, runc.code, what);
  if (/executable file not found|permission denied/.test(runc.stderr)) {
    const words = /executable file not found|permission denied/;
    assertEquals(words.exec(kata.stderr)?.[0], words.exec(runc.stderr)?.[0], kata.stderr);
  } else if (!runc.stderr.includes("lstat ")) {
    assertEquals(plain(kata.stderr), runcMessage(runc.stderr));
  }
}

async function compareAll(
  test: Deno.TestContext,
  clis: readonly [OciCli, OciCli],
  cases: readonly Case[],
  cwds: readonly [string, string] = ["/", "/"],
): Promise<void> {
  for (const each of cases) {
    await test.step(each.args.join(" ").slice(0, 60), async () => {
      const [kata, runc] = await Promise.all(
        clis.map((cli, at) => cli.call(each.args, { cwd: cwds[at] ?? "/" })),
      );
      assert(kata && runc);
      compare(each, kata, runc);
    });
  }
}

Deno.test("kata-runtime without a container: unknown and hostile ids, missing bundles, wrong words", async (test) => {
  const before = await snapshot();
  {
    await using kata = new OciCli();
    await using runc = new OciCli(RUNC);
    using empty = Bundle.make(["true"]);
    Deno.removeSync(`${empty.path}/config.json`);
    await compareAll(test, [kata, runc], alone(empty.path));
    assertEquals([...Deno.readDirSync(kata.root)], []);
  }
  assertEquals(await leaks(before), []);
});

Deno.test("kata-runtime with a container in every state", async (test) => {
  const before = await snapshot();
  {
    await using kata = new OciCli();
    await using runc = new OciCli(RUNC);
    using ours = Bundle.make(FOREVER);
    using theirs = Bundle.make(FOREVER);
    const clis = [kata, runc] as const, cwds = [ours.path, theirs.path] as const;
    const both = async (...args: readonly string[]): Promise<void> => {
      for (const [at, cli] of clis.entries()) {
        const [program, ...rest] = cli.argv(...args);
        const script = 'exec "$@" >out 2>&1 </dev/null';
        const argv = ["sh", "-c", script, "sh", program, ...rest] as const;
        const cwd = cwds[at] ?? "/";
        const { code } = await command(argv, { cwd });
        assertEquals(code, 0, Deno.readTextFileSync(`${cwd}/out`));
      }
    };
    const state = (name: string): Promise<void> => compareAll(test, clis, STATES[name] ?? [], cwds);
    await both("create", ID);
    await state("created");
    await runc.call(["resume", ID]);
    await both("start", ID);
    await state("running");
    await both("pause", ID);
    await state("paused");
    await test.step("a signal to a paused one waits; KILL does not", async () => {
      await both("kill", ID, "TERM");
      for (const cli of clis) assertEquals(await cli.status(ID), "paused");
      await both("kill", ID, "KILL");
      for (const cli of clis) await stopped(cli);
    });
    await state("stopped");
    await both("delete", ID);
    await compareAll(test, clis, same("state c", "delete c"), cwds);
    assertEquals([...Deno.readDirSync(kata.root)], []);
  }
  assertEquals(await leaks(before), []);
});

async function stopped(cli: OciCli): Promise<void> {
  while (await cli.status(ID) !== "stopped") {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Replaces parts of config.json; `says` where ours is not the same text, with the same status. */
const CONFIGS: readonly { readonly json: Record<string, unknown>; readonly says?: RegExp }[] = [
  ...["2.0.0", "0.9.0", "1.9.0", "junk"].map((ociVersion) => ({ json: { ociVersion } })),
  { json: { process: undefined } },
  { json: { process: { args: [], cwd: "/" } } },
  { json: { process: { args: ["true"], cwd: "" } } },
  { json: { process: { args: ["true"], cwd: "here" } } },
  { json: { root: { path: "/nosuch" } } },
  { json: { process: [] }, says: /process/ },
];

Deno.test("kata-runtime run of configurations that are old, new or wrong", async (test) => {
  const before = await snapshot();
  {
    await using kata = new OciCli();
    await using runc = new OciCli(RUNC);
    for (const { json, says } of CONFIGS) {
      await test.step(JSON.stringify(json), async () => {
        using bundle = Bundle.make(["true"], { json });
        const args = ["run", "-b", bundle.path, "c"];
        const [ours, theirs] = [await kata.call(args), await runc.call(args)];
        if (says) {
          assertEquals(ours.code, theirs.code, ours.stderr);
          assertMatch(ours.stderr, says);
        } else compare({ args }, ours, theirs);
      });
    }
    for (const text of ["{", "[]", "", "\0"]) {
      await test.step(`config.json holds ${JSON.stringify(text)}`, async () => {
        using bundle = Bundle.make(["true"]);
        Deno.writeTextFileSync(`${bundle.path}/config.json`, text);
        const args = ["run", "-b", bundle.path, "c"];
        const [ours, theirs] = [await kata.call(args), await runc.call(args)];
        assertEquals([ours.code, theirs.code], [1, 1]);
        assertMatch(ours.stderr, /kata-runtime run failed: .*config\.json/);
      });
    }
    assertEquals([...Deno.readDirSync(kata.root)], []);
  }
  assertEquals(await leaks(before), []);
});

/** What a shell line ends with, with its stdout as the line has it. */
async function statusOf(line: string, program: string): Promise<number> {
  const { code } = await command(["bash", "-c", line.replaceAll("RUNTIME", program)]);
  return code;
}

Deno.test("kata-runtime with nobody to read what it says", async (test) => {
  const before = await snapshot();
  const gone = (verb: string): string =>
    `mkfifo f; exec 9<>f 8>f 9<&-; RUNTIME --root $PWD/r ${verb} >&8; exit $?`;
  const lines = ["list", "features", "--version", "--help"].map(gone);
  for (const line of lines) {
    await test.step(`as with runc: ${line}`, async () => {
      const inFolder = `cd $(mktemp -d) && trap 'rm -r "$PWD"' EXIT; ${line}`;
      assertEquals(await statusOf(inFolder, KATA_RUNTIME), await statusOf(inFolder, RUNC));
    });
  }
  await test.step("a full disk is a failure, also where runc keeps silent", async () => {
    for (const verb of ["list", "features", "--version"]) {
      assertEquals(await statusOf(`RUNTIME ${verb} >/dev/full 2>/dev/null`, KATA_RUNTIME), 1);
    }
  });
  await test.step("a descriptor that is closed takes what is said, and nothing goes elsewhere", async () => {
    assertEquals(await statusOf("RUNTIME features >&-", KATA_RUNTIME), 0);
  });
  assertEquals(await leaks(before), []);
});
