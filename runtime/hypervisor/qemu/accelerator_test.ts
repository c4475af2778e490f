import { assertEquals, assertRejects } from "@std/assert";
import { run } from "../../../common/linux/subprocess.ts";
import { markedProcesses } from "../clean_up.ts";
import { chooseAccelerator, probeArguments } from "./accelerator.ts";
import { DEFAULT_QEMU_OPTIONS, type QemuOptions } from "./options.ts";
import { PROBE_SUCCESS, probeRom } from "./probe_rom.ts";

// The program's one reaper stays between tests.
const SHARED = { sanitizeOps: false, sanitizeResources: false };
const QEMU = DEFAULT_QEMU_OPTIONS.path;

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name: "probeRom runs to its end on a machine that executes 64-bit code",
  ignore: !exists(QEMU),
  ...SHARED,
  async fn() {
    const rom = await Deno.makeTempFile();
    try {
      await Deno.writeFile(rom, probeRom());
      const { code, stderr } = await run(probeArguments(QEMU, rom, "tcg"), { timeoutMs: 20_000 });
      assertEquals({ code, stderr }, { code: PROBE_SUCCESS, stderr: "" });
    } finally {
      await Deno.remove(rom);
    }
  },
});

Deno.test({
  name: "chooseAccelerator answers auto once by trial and then from its cache",
  ignore: !exists(QEMU) || !exists("/dev/kvm"),
  ...SHARED,
  async fn() {
    const stateDir = await Deno.makeTempDir();
    const cacheDir = `${stateDir}/cache`;
    const choose = (options: QemuOptions) =>
      chooseAccelerator(options, stateDir, new AbortController().signal);
    try {
      const options = { ...DEFAULT_QEMU_OPTIONS, cacheDir };
      const tried = await choose(options);
      const [file] = [...Deno.readDirSync(cacheDir)];
      const other = tried === "kvm" ? "tcg" : "kvm";
      await Deno.writeTextFile(`${cacheDir}/${file?.name}`, other);
      assertEquals(await choose(options), other);
      await Deno.writeTextFile(`${cacheDir}/${file?.name}`, "damaged");
      assertEquals(await choose(options), tried);
    } finally {
      await Deno.remove(stateDir, { recursive: true });
    }
  },
});

Deno.test({
  name: "chooseAccelerator names the key when kvm is forced where there is none",
  ignore: exists("/dev/kvm"),
  async fn() {
    const options = { ...DEFAULT_QEMU_OPTIONS, accelerator: "kvm" } as const;
    await assertRejects(
      () => chooseAccelerator(options, "/", new AbortController().signal),
      Error,
      'accelerator = "kvm"',
    );
  },
});

Deno.test({
  name: "an aborted trial ends at once and leaves nothing",
  ignore: !exists(QEMU) || !exists("/dev/kvm"),
  ...SHARED,
  async fn() {
    const stateDir = await Deno.makeTempDir();
    try {
      const options = { ...DEFAULT_QEMU_OPTIONS, cacheDir: `${stateDir}/cache` };
      const signal = AbortSignal.timeout(10);
      await assertRejects(() => chooseAccelerator(options, stateDir, signal), DOMException);
      assertEquals(markedProcesses(stateDir), []);
      assertEquals([...Deno.readDirSync(stateDir)], []);
    } finally {
      await Deno.remove(stateDir, { recursive: true });
    }
  },
});
