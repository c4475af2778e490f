import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { command, type CommandResult, output } from "../../tools/lib/command.ts";
import { DIST } from "../../tools/lib/paths.ts";
import { BUSYBOX } from "../support/busybox_image.ts";
import { Containerd, SHIM_PATH } from "../support/containerd.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { childOf, TemplateFolder } from "./template_folder.ts";

/** How wrong a guest's clock may be, in milliseconds. */
const CLOCK_MS = 50;
/** A pod's wish for a VM that boots. */
const NO_CLONE = ["--annotation", "io.katacontainers.config.factory.enable_template=false"];
const GUEST_ID =
  "cat /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | hexdump -e '16/1 \"%02x\"'";
/** Answers each line with the time, by a file system of the guest's own. */
const CLOCK = "while read _; do rm -f /dev/shm/t; touch /dev/shm/t; stat -c %y /dev/shm/t; done";

/** Why the sandboxes that started cold did so, by sandbox id. */
async function coldStarts(containerd: Containerd): Promise<Map<string, string>> {
  const lines = (await containerd.log()).matchAll(
    /msg="Sandbox starts cold" sandbox=(\w+)-[0-9a-f]+ why=("(?:[^"\\]|\\.)*"|\S+)/g,
  );
  return new Map([...lines].map(([, id = "", why = ""]) => [id, why]));
}

async function factory(folder: TemplateFolder, action: string): Promise<CommandResult> {
  return await command([`${DIST}/kata-runtime`, "factory", action, "--config", folder.config]);
}

/** Resolves once so many of them have. */
function ended(work: readonly Promise<unknown>[], count: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let left = count;
  for (const each of work) {
    each.then(() => {
      if (--left === 0) resolve();
    }, reject);
  }
  return promise;
}

/** The smallest span of time, on the host's clock, in which the guest says that it is this time. */
async function clockError(containerd: Containerd, flags: readonly string[]): Promise<number> {
  const run = [
    "run",
    "--rm",
    "--runtime",
    SHIM_PATH,
    ...flags,
    BUSYBOX,
    "clock",
    "sh",
    "-c",
    CLOCK,
  ];
  await using child = childOf(containerd.argv(...run));
  let least = Infinity;
  for (let round = 0; round < 8; round++) {
    const before = Date.now();
    const text = await child.ask("");
    const after = Date.now(),
      guest = Date.parse(text.trim().replace(" +0000", "Z").replace(" ", "T"));
    least = Math.min(least, Math.max(before - guest, guest - after, 0));
  }
  return least;
}

Deno.test("VM templates: cold once, then clones, each one of its own; damage costs a cold start", async (test) => {
  const before = await snapshot();
  {
    await using folder = await TemplateFolder.make();
    await using containerd = await Containerd.start();
    const { flags } = folder;

    await test.step("the first start goes cold, and a template is built behind it", async () => {
      const result = await containerd.run("first", ["echo", "hi"], { flags });
      assertEquals([result.stdout, result.code], ["hi\n", 0], result.stderr);
      assertStringIncludes(
        (await coldStarts(containerd)).get("first") ?? "",
        "no template was built",
      );
      await folder.built();
      assertStringIncludes((await factory(folder, "status")).stdout, "\ncurrent  ");
    });

    await test.step("clones have boot ids and random numbers of their own", async () => {
      const told = await Promise.all(
        ["a", "b", "c"].map((id) => containerd.run(id, ["sh", "-c", GUEST_ID], { flags })),
      );
      const words = told.map(({ stdout }) => stdout.trim().split("\n"));
      for (const [bootId, random] of words) {
        assertMatch(bootId ?? "", /^[0-9a-f-]{36}$/);
        assertMatch(random ?? "", /^[0-9a-f]{32}$/);
      }
      assertEquals(new Set(words.flat()).size, 6);
      assertEquals([...(await coldStarts(containerd)).keys()], ["first"]);
    });

    await test.step("the clock is right, a clone's and that of a VM that booted", async () => {
      const wrong = [
        await clockError(containerd, flags),
        await clockError(containerd, [...flags, ...NO_CLONE]),
      ];
      assert(Math.max(...wrong) <= CLOCK_MS, `they are wrong by ${wrong.join(" and ")} ms`);
    });

    await test.step("a pod may ask for a VM that is no clone", async () => {
      const result = await containerd.run("opted", ["echo", "hi"], {
        flags: [...flags, ...NO_CLONE],
      });
      assertEquals([result.stdout, result.code], ["hi\n", 0], result.stderr);
    });

    await test.step("memory that was cut off is not used: the start goes cold and says so", async () => {
      await Deno.truncate(await folder.file("memory"), 4096);
      const result = await containerd.run("cut", ["echo", "hi"], { flags });
      assertEquals([result.stdout, result.code], ["hi\n", 0], result.stderr);
      assertStringIncludes((await coldStarts(containerd)).get("cut") ?? "", "template was damaged");
      await folder.built();
    });

    await test.step("another configuration has another template", async () => {
      await folder.configure('[hypervisor.qemu]\nkernel_params = "other"');
      const status = await factory(folder, "status");
      assertStringIncludes(status.stdout, "\nother    ");
      assert(!status.stdout.includes("\ncurrent"), status.stdout);
    });

    await test.step("destroy leaves nothing", async () => {
      assertEquals((await factory(folder, "destroy")).code, 0);
      assertEquals(await folder.names(), ["lock"]);
    });
  }
  assertEquals(await leaks(before), []);
});

Deno.test("kata-runtime factory init: what goes wrong while building leaves nothing but a reason", async (test) => {
  const before = await snapshot();
  {
    await using folder = await TemplateFolder.make();

    await test.step("of three at once, one builds; its VM is killed: it fails and says why", async () => {
      const three = [0, 1, 2].map(() => factory(folder, "init"));
      await ended(three, 2); // the one that builds has the others refused
      Deno.kill(await folder.builderVm(), "SIGKILL");
      const results = await Promise.all(three);
      assertEquals(results.map(({ code }) => code), [1, 1, 1]);
      const texts = results.map(({ stderr }) => stderr);
      assertEquals(texts.filter((text) => text.includes("Another process builds")).length, 2);
      assertEquals(texts.filter((text) => text.includes("killed by signal 9")).length, 1);
      assertStringIncludes((await factory(folder, "status")).stdout, "\nfailed     ");
      assertEquals((await folder.names()).filter((name) => /^(new|old)-/.test(name)), []);
    });

    await test.step("a builder that was killed leaves a VM, which the next one removes", async () => {
      const argv = [`${DIST}/kata-runtime`, "factory", "init", "--config", folder.config] as const;
      const child = childOf([...argv]);
      const orphan = await folder.builderVm();
      await child.kill();
      assertNotEquals(await Deno.readTextFile(`/proc/${orphan}/stat`), "");
      assertEquals((await factory(folder, "destroy")).code, 0);
      assertEquals(await folder.vms(), []);
    });
  }

  await test.step("a full tmpfs", async () => {
    await using folder = await TemplateFolder.make("32m");
    const result = await factory(folder, "init");
    assertEquals(result.code, 1, result.stdout);
    assertStringIncludes((await factory(folder, "status")).stdout, "\nfailed     ");
    assertEquals(await folder.vms(), []);
    assertEquals((await folder.names()).filter((name) => !/^(lock|failed-)/.test(name)), []);
  });
  assertEquals(await leaks(before), []);
});

Deno.test("kata-runtime factory says how it is called", async () => {
  const result = await command([`${DIST}/kata-runtime`, "factory", "bake"]);
  assertEquals(result.code, 1);
  assertStringIncludes(result.stderr, "factory init|destroy|status");
  assertStringIncludes(await output([`${DIST}/kata-runtime`, "factory", "status"]), "templates  ");
});
