import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { buildConfig, loadConfig, requireAssets, type RuntimeConfig } from "./load.ts";

const AROUND = { binaryDir: "/opt/kata", searchPath: "/nowhere" };

function load(text: string): RuntimeConfig {
  return buildConfig([{ name: "/etc/x.toml", text }], AROUND);
}

/** The message of the error that loading this text ends with. */
function complaint(text: string): string {
  return assertThrows(() => load(text), RuntimeError).message;
}

Deno.test("buildConfig without files gives the defaults, with assets beside the program", () => {
  const { hypervisor, agent, runtime, factory, sources, warnings } = buildConfig([], AROUND);
  assertEquals([hypervisor.name, hypervisor.defaultVcpus, hypervisor.defaultMemory], [
    "qemu",
    1,
    2048,
  ]);
  assertEquals([hypervisor.kernel, hypervisor.initrd, hypervisor.image], [
    "/opt/kata/vmlinux",
    "/opt/kata/initrd.img",
    "",
  ]);
  assertEquals([agent.name, agent.dialTimeout, runtime.createContainerTimeout], ["kata", 45, 60]);
  assertEquals([factory.enableTemplate, sources, warnings], [true, [], []]);
});

Deno.test("loadConfig names file, line and key of what it cannot use", () => {
  const cases: [string, string][] = [
    [
      "[hypervisor.qemu]\nkernl = 'x'",
      'line 2: unknown key "kernl" in [hypervisor.qemu] (did you mean "kernel"?)',
    ],
    [
      "\n[hypervisor.qmeu]",
      'line 2: unknown section "hypervisor.qmeu" (did you mean "hypervisor.qemu"?)',
    ],
    ["[runtim]", 'line 1: unknown section "runtim" (did you mean "runtime"?)'],
    ["debug = true", 'line 1: unknown key "debug"'],
    [
      "[hypervisor.stratovirt]",
      "line 1: [hypervisor.stratovirt] is refused: that VMM has no driver",
    ],
    ["[hypervisor.qemu]\npath = 3", "line 2: path must be a string, not 3"],
    ["runtime = 3", "line 1: runtime must be a table"],
    ["[[hypervisor.qemu]]", "line 1: hypervisor.qemu must be a table"],
    [
      "[hypervisor.qemu]\ndefault_memory = 3",
      "line 2: default_memory must be between 256 and 16777216 MiB, not 3",
    ],
    [
      "[hypervisor.qemu]\ndefault_memory = 512.5",
      "line 2: default_memory must be a whole number, not 512.5",
    ],
    ["[hypervisor.qemu]\ndefault_vcpus = nan", "line 2: default_vcpus must be a number, not NaN"],
    ["[hypervisor.qemu]\nqueue_size = 100", "line 2: queue_size must be a power of two, not 100"],
    [
      "[hypervisor.qemu]\nenable_annotations = ['[']",
      "line 2: enable_annotations must hold regular expressions",
    ],
    [
      '[hypervisor.qemu]\nkernel_params = "a\\u0000b"',
      "line 2: kernel_params must not hold control characters",
    ],
    ["[hypervisor.qemu]\nkernel = 'vmlinux'", "line 2: kernel must be an absolute path"],
    [
      "[hypervisor.qemu]\n#\nkernel = '/nowhere/k'",
      'line 3: kernel "/nowhere/k" cannot be read: no such file',
    ],
    ["[hypervisor.qemu]\npath = '/etc/passwd'", 'line 2: path "/etc/passwd" cannot be executed'],
    ["[hypervisor.qemu]\ninitrd = '/etc'", 'line 2: initrd "/etc" cannot be read: it is a folder'],
    [
      "[hypervisor.qemu]\nshared_fs = 'nfs'",
      'line 2: shared_fs must be one of "auto", "virtio-9p"',
    ],
    [
      "[runtime]\nvfio_mode = 'vfio'",
      "line 2: vfio_mode is refused: devices of the host are not passed through",
    ],
    ["[hypervisor.qemu]\nenable_iommu = 1", "line 2: enable_iommu is refused"],
    [
      "[hypervisor.firecracker]\nmachine_type = 'microvm'",
      "line 2: machine_type is refused: it is for qemu only",
    ],
    [
      "[hypervisor.qemu]\n[hypervisor.clh]",
      "line 2: which of [hypervisor.qemu], [hypervisor.clh] is meant?",
    ],
    [
      "[hypervisor.qemu]\nimage = '/etc/passwd'\ninitrd = '/etc/group'",
      "line 2: image and initrd cannot both be set",
    ],
    [
      "[agent.kata]\ncreate_container_timeout = 3\n[runtime]\ncreate_container_timeout = 4",
      "mean the same and differ",
    ],
    ["[agent.kata]\n\n\n debug = [", "line 4"],
  ];
  for (const [text, expected] of cases) assertStringIncludes(complaint(text), expected);
  for (const [text] of cases) assert(complaint(text).startsWith('"/etc/x.toml" line '), text);
});

Deno.test("loadConfig accepts keys of the original that are refused, at their defaults", () => {
  load(
    "[hypervisor.qemu]\nenable_iommu = false\npflashes = []\nhot_plug_vfio = 'no-port'\n[agent.kata]\ncdh_api_timeout = 50",
  );
  load("[hypervisor.firecracker]\nmachine_type = 'q35'");
});

Deno.test("loadConfig takes the VMM from the only table, or from hypervisor_name", () => {
  assertEquals(load("[hypervisor.clh]").hypervisor.name, "clh");
  assertEquals(load("[hypervisor.clh]").hypervisor.sharedFs, "virtio-fs");
  const both = load(
    "[hypervisor.clh]\ndefault_memory = 300\n[hypervisor.qemu]\n[runtime]\nhypervisor_name = 'clh'",
  );
  assertEquals([both.hypervisor.name, both.hypervisor.defaultMemory], ["clh", 300]);
  assertEquals(load("[runtime]\nhypervisor_name = 'cloud-hypervisor'").hypervisor.name, "clh");
  const foreign = "[hypervisor.clh]\nkernel = '/nowhere'\n[runtime]\nhypervisor_name = 'qemu'";
  assertEquals(load(foreign).hypervisor.kernel, "/opt/kata/vmlinux");
});

Deno.test("loadConfig resolves default_vcpus: 0 is one, negative is all of the host's", () => {
  const vcpus = (count: number): number =>
    load(`[hypervisor.qemu]\ndefault_vcpus = ${count}`).hypervisor.defaultVcpus;
  assertEquals([vcpus(0), vcpus(0.5), vcpus(-1)], [1, 0.5, navigator.hardwareConcurrency]);
});

Deno.test("loadConfig knows the second spelling of a key", () => {
  assertEquals(
    load("[agent.kata]\ncreate_container_timeout = 7").runtime.createContainerTimeout,
    7,
  );
  assertEquals(load("[hypervisor.qemu]\nseccomp_sandbox = 'off'").hypervisor.seccompsandbox, "off");
  assertEquals(
    load("[hypervisor.qemu.factory]\nenable_template = false").factory.enableTemplate,
    false,
  );
  assertEquals(
    load("[hypervisor.qemu]\nvirtio_fs_cache = 'none'").hypervisor.virtioFsCache,
    "never",
  );
});

Deno.test("loadConfig searches as the original does and applies drop-ins in the order of their names", () => {
  const folder = Deno.makeTempDirSync();
  using _ = { [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
  const write = (name: string, text: string): void =>
    Deno.writeTextFileSync(`${folder}/${name}`, text);
  Deno.mkdirSync(`${folder}/config.d`);
  write("config.toml", "[hypervisor.qemu]\ndefault_memory = 300\nkernel_params = 'base'");
  write("config.d/20.toml", "[hypervisor.qemu]\ndefault_memory = 500");
  write("config.d/10.toml", "[hypervisor.qemu]\ndefault_memory = 400\ndefault_vcpus = 2");
  write("config.d/99.conf", "no TOML");
  const file = `${folder}/config.toml`;
  const config = loadConfig({ binaryDir: "/opt/kata", env: { KATA_CONF_FILE: file } });
  const { defaultMemory, defaultVcpus, kernelParams } = config.hypervisor;
  assertEquals([defaultMemory, defaultVcpus, kernelParams], [500, 2, "base"]);
  assertEquals(config.sources, [file, `${folder}/config.d/10.toml`, `${folder}/config.d/20.toml`]);
  assertEquals(loadConfig({ path: file, env: { KATA_CONF_FILE: "/nowhere" } }).sources[0], file);
  if (!Deno.readTextFileSync("/proc/mounts").includes("/etc/kata-containers")) {
    assertEquals(loadConfig({ binaryDir: folder, env: {} }).sources.at(-3), file);
  }
  write("config.d/10.toml", "[hypervisor.qemu]\n\ndefault_vcpus = 'two'");
  const error = assertThrows(() => loadConfig({ path: file, env: {} }), RuntimeError);
  assertEquals(
    error.message,
    `"${folder}/config.d/10.toml" line 3: default_vcpus must be a number, not a string`,
  );
});

Deno.test("loadConfig refuses files that are missing, too long, no files or not text", () => {
  const folder = Deno.makeTempDirSync();
  using _ = { [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
  const failure = (path: string): RuntimeError =>
    assertThrows(() => loadConfig({ path, env: {} }), RuntimeError);
  assertEquals(failure(`${folder}/none`).code, Code.NotFound);
  assertStringIncludes(failure(`${folder}/none`).message, `"${folder}/none": no such file`);
  assertStringIncludes(failure("/dev/zero").message, "it is not a file");
  assertStringIncludes(failure(folder).message, "it is not a file");
  Deno.writeFileSync(`${folder}/long.toml`, new Uint8Array(2 ** 20 + 1).fill(35));
  assertStringIncludes(failure(`${folder}/long.toml`).message, "longer than 1048576 bytes");
  Deno.writeFileSync(`${folder}/bytes.toml`, new Uint8Array([0xff, 0xfe]));
  assertStringIncludes(failure(`${folder}/bytes.toml`).message, "it is not UTF-8 text");
});

Deno.test("loadConfig reads a body that was passed instead of a file", () => {
  assertEquals(
    loadConfig({ body: "[runtime]\nenable_debug = true", env: {} }).runtime.enableDebug,
    true,
  );
});

Deno.test("the configuration is frozen to its leaves", () => {
  const config = load("[hypervisor.qemu]\nenable_annotations = ['a']");
  const frozen = (data: object): boolean =>
    Object.isFrozen(data) &&
    Object.values(data).every((it) => typeof it !== "object" || it === null || frozen(it));
  assert(frozen(config));
});

Deno.test("requireAssets names what is missing", () => {
  const error = assertThrows(() => requireAssets(buildConfig([], AROUND)), RuntimeError);
  assertEquals(error.code, Code.NotFound);
  assertStringIncludes(error.message, "Cannot use path");
});

Deno.test("loadConfig warns of a key without an effect in this release, with its place", () => {
  const { warnings } = load(
    "[hypervisor.qemu]\nenable_debug = true\n[agent.kata]\nenable_tracing = true",
  );
  assertEquals(warnings, ['"/etc/x.toml" line 4: enable_tracing has no effect in this release']);
});

Deno.test("loadConfig refuses by name what a VMM cannot do, and takes it at its default", () => {
  for (const key of ["rootless", "enable_mem_prealloc"]) {
    assertEquals(load(`[hypervisor.firecracker]\n${key} = false`).warnings, []);
    assertStringIncludes(
      complaint(`[hypervisor.firecracker]\n${key} = true`),
      `line 2: ${key} is refused in [hypervisor.firecracker]: `,
    );
    assertEquals(load(`[hypervisor.qemu]\n${key} = true`).warnings, []);
  }
});

Deno.test("loadConfig refuses names that would reach the prototype of all objects", () => {
  for (
    const name of [
      "__proto__",
      '"__proto__"',
      '"\\u005f_proto\\U0000005F_"',
      "constructor.prototype",
    ]
  ) {
    complaint(`\n[${name}.x]\npolluted = 1`);
    complaint(`[hypervisor.${name}]\npolluted = 1`);
    complaint(`[runtime]\n${name} = { polluted = 1 }`);
    assert(!("polluted" in {}));
  }
});
