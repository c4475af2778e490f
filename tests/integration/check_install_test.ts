import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { command } from "../../tools/lib/command.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { KATA_RUNTIME } from "../support/oci_cli.ts";

Deno.test("kata-runtime check tells the truth of this host, for people and for scripts", async () => {
  const before = await snapshot();
  const { code, stdout } = await command([KATA_RUNTIME, "check", "--json"]);
  const { verdict, findings } = JSON.parse(stdout);
  assertEquals(code, verdict === "fail" ? 1 : 0);
  const found = (name: string): string => {
    const finding = findings.find((each: { name: string }) => each.name === name);
    assert(finding, name);
    assertEquals(finding.verdict === "pass", finding.remedy === undefined);
    return finding.verdict;
  };
  const opens = (path: string): boolean => {
    try {
      Deno.openSync(path, { read: true, write: true }).close();
      return true;
    } catch {
      return false;
    }
  };
  const devices = { "vsock in the kernel": "/dev/vhost-vsock", "tap devices": "/dev/net/tun" };
  for (const [name, path] of Object.entries(devices)) {
    assertEquals(found(name) === "pass", opens(path), name);
  }
  for (const name of ["VMM qemu (configured)", "guest kernel", "guest initrd", "cgroups"]) {
    assertEquals(found(name), "pass");
  }
  const people = await command([KATA_RUNTIME, "check"]);
  assertMatch(people.stdout, /This host can(not)? run Kata containers/);
  assertEquals(await leaks(before), []);
});

Deno.test("kata-runtime config check says file, line and key", async () => {
  const file = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(file, "[hypervisor.qemu]\nkernl = 'x'\n");
  const { code, stderr } = await command([KATA_RUNTIME, "config", "check", file]);
  assertEquals(code, 1);
  for (const part of [file, "line 2", "kernl", "kernel"]) assertStringIncludes(stderr, part);
  await Deno.writeTextFile(file, "[hypervisor.qemu]\ndefault_memory = 1024\n");
  const good = await command([KATA_RUNTIME, "config", "check", file]);
  assertEquals([good.code, good.stdout], [0, `ok: ${file}\n`]);
  await Deno.remove(file);
});

Deno.test("kata-runtime env shows versions and the configuration in force", async () => {
  const { code, stdout } = await command([KATA_RUNTIME, "env", "--json"]);
  const { versions, configuration } = JSON.parse(stdout);
  assertEquals(code, 0);
  assertMatch(versions.hypervisor, /QEMU/);
  assertEquals(configuration.hypervisor.name, "qemu");
  const toml = await command([KATA_RUNTIME, "env"]);
  assertStringIncludes(toml.stdout, "[hypervisor.qemu]\n");
});

Deno.test("kata-runtime install and uninstall leave a host's files as they were", async () => {
  const destdir = await Deno.makeTempDir();
  const config = `${destdir}/etc/containerd/config.toml`,
    text = "version = 2\n# mine, without an end";
  await Deno.mkdir(`${destdir}/etc/containerd`, { recursive: true });
  await Deno.writeTextFile(config, text);
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await command([KATA_RUNTIME, ...args, "--destdir", destdir]);
    assertEquals(code, 0, stderr);
    return stdout;
  };
  assertStringIncludes(await run("install", "--dry-run"), config);
  assertEquals(await Deno.readTextFile(config), text);
  await run("install");
  const installed = await command([`${destdir}/opt/kata/kata-runtime`, "--version"]);
  assertStringIncludes(installed.stdout, "kata-runtime version");
  assertStringIncludes(await Deno.readTextFile(config), "runtimes.kata]");
  await run("install");
  await run("uninstall");
  assertEquals(await Deno.readTextFile(config), text);
  const left = [...Deno.readDirSync(`${destdir}/etc/containerd`)].map(({ name }) => name);
  assertEquals(left, ["config.toml"]);
  assertEquals([...Deno.readDirSync(destdir)].map(({ name }) => name), ["etc"]);
  await Deno.remove(destdir, { recursive: true });
});
