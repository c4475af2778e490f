import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { command } from "../../tools/lib/command.ts";
import { howto } from "../support/howto.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import { KATA_RUNTIME } from "../support/oci_cli.ts";
import { TypedTerminal } from "../support/typed_terminal.ts";

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
  const devices = {
    "vsock in the kernel": "/dev/vhost-vsock",
    "network cards in the kernel": "/dev/vhost-net",
    "tap devices": "/dev/net/tun",
    "loop devices": "/dev/loop-control",
    "FUSE": "/dev/fuse",
    "device mapper": "/dev/mapper/control",
  };
  for (const [name, path] of Object.entries(devices)) {
    assertEquals(found(name) === "pass", opens(path), name);
  }
  const runs = async (...names: string[]): Promise<boolean> => {
    const tried = names.map((name) => command([name, "--version"]).then(() => true, () => false));
    return (await Promise.all(tried)).includes(true);
  };
  const programs = {
    virtiofsd: ["virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"],
    "VMM clh": ["cloud-hypervisor"],
    "VMM firecracker": ["firecracker"],
  };
  for (const [name, places] of Object.entries(programs)) {
    assertEquals(found(name) === "pass", await runs(...places), name);
  }
  const status = Deno.readTextFileSync("/proc/self/status");
  const capabilities = BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(status)?.[1]}`);
  assertEquals(found("privileges") === "pass", (capabilities >> 24n & 1n) === 1n); // SYS_RESOURCE
  for (const { verdict, meaning, remedy } of findings) {
    if (verdict !== "pass") assert(meaning !== "" && remedy !== "");
    if (!/^modprobe (.*)/.test(remedy ?? "")) continue;
    const modules = remedy.slice("modprobe ".length).split(" ");
    assertEquals((await command(["modprobe", "--dry-run", "--all", ...modules])).code, 0, remedy);
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

Deno.test("kata-runtime config check answers in JSON, with its verdict as status", async () => {
  const file = await Deno.makeTempFile({ suffix: ".toml" });
  const check = async (text: string): Promise<[number, Record<string, unknown>]> => {
    await Deno.writeTextFile(file, text);
    const { code, stdout } = await command([KATA_RUNTIME, "config", "check", "--json", file]);
    return [code, JSON.parse(stdout)];
  };
  const [bad, { ok, error }] = await check("[runtime]\nvfio_mode = 'vfio'\n");
  assertEquals([bad, ok], [1, false]);
  assertStringIncludes(`${error}`, "vfio_mode is refused: devices of the host");
  assertEquals(await check(""), [0, { ok: true, sources: [file], warnings: [] }]);
  await Deno.remove(file);
});

Deno.test("kata-runtime answers programs in JSON, whatever they ask", async (test) => {
  const destdir = await Deno.makeTempDir();
  const asked: Readonly<Record<string, readonly string[]>> = {
    version: ["version", "ociVersion"],
    "install --dry-run": ["actions", "notes"],
    "factory status": ["on", "folder", "wanted", "templates"],
    env: ["versions", "configuration"],
    features: ["ociVersionMin", "hooks"],
  };
  for (const [line, keys] of Object.entries(asked)) {
    await test.step(line, async () => {
      const words = line.split(" ");
      const place = words[0] === "install" ? ["--destdir", destdir] : [];
      const flag = words[0] === "features" ? [] : ["--json"];
      const { code, stdout } = await command([KATA_RUNTIME, ...words, ...place, ...flag]);
      assertEquals(code, 0);
      const answer = JSON.parse(stdout);
      for (const key of keys) assert(key in answer, key);
    });
  }
  for (const line of ["sandboxes --json", "list --json"]) {
    await test.step(line, async () => {
      const { stdout } = await command([KATA_RUNTIME, ...line.split(" ")]);
      assert(Array.isArray(JSON.parse(stdout)));
    });
  }
  await Deno.remove(destdir, { recursive: true });
});

Deno.test("kata-runtime shows on a terminal that it is at it", async () => {
  using terminal = new TypedTerminal([KATA_RUNTIME, "check"]);
  await terminal.until("looking at this host");
  await terminal.until("Kata containers");
  assertEquals(await terminal.ended, { code: 0 });
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

/** The files that how-to pages show. */
const SHOWN: Readonly<Record<string, string>> = {
  containerd: "/etc/containerd/config.toml",
  "cri-o": "/etc/crio/crio.conf.d/50-kata.conf",
  podman: "/etc/containers/containers.conf.d/50-kata.conf",
};

Deno.test("kata-runtime install and uninstall leave a host's files as they were", async (test) => {
  const destdir = await Deno.makeTempDir();
  const config = `${destdir}/etc/containerd/config.toml`,
    text = "version = 2\n# mine, without an end";
  for (const engine of ["containerd", "crio", "containers"]) {
    await Deno.mkdir(`${destdir}/etc/${engine}`, { recursive: true });
  }
  await Deno.writeTextFile(config, text);
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await command([KATA_RUNTIME, ...args, "--destdir", destdir]);
    assertEquals(code, 0, stderr);
    return stdout;
  };
  assertStringIncludes(await run("install", "--dry-run"), config);
  assertEquals(await Deno.readTextFile(config), text);
  await run("install");
  await test.step("what the how-to pages show is what is written", async () => {
    for (const [page, path] of Object.entries(SHOWN)) {
      const text = await howto(page);
      const lines = (await Deno.readTextFile(destdir + path)).split("\n")
        .filter((line) => line !== "" && !/^#|^version|^\s*$/.test(line));
      for (const line of lines) assertStringIncludes(text, `    ${line}`);
    }
  });
  const installed = await command([`${destdir}/opt/kata/kata-runtime`, "--version"]);
  assertStringIncludes(installed.stdout, "kata-runtime version");
  assertStringIncludes(await Deno.readTextFile(config), "runtimes.kata]");
  await run("install");
  await run("uninstall");
  assertEquals(await Deno.readTextFile(config), text);
  const left = [...Deno.readDirSync(`${destdir}/etc/containerd`)].map(({ name }) => name);
  assertEquals(left, ["config.toml"]);
  for (const engine of ["crio", "containers"]) {
    assertEquals([...Deno.readDirSync(`${destdir}/etc/${engine}`)], []);
  }
  assertEquals([...Deno.readDirSync(destdir)].map(({ name }) => name), ["etc"]);
  await Deno.remove(destdir, { recursive: true });
});
