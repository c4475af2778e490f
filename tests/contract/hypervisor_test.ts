import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { kill } from "../../common/linux/process.ts";
import { cleanUp } from "../../runtime/hypervisor/clean_up.ts";
import type { Hypervisor, Vm, VmTemplate } from "../../runtime/hypervisor/hypervisor.ts";
import { QemuDriver } from "../../runtime/hypervisor/qemu/driver.ts";
import { findVhostDeviceVsock } from "../../runtime/hypervisor/qemu/vhost_device_vsock.ts";
import type { MachineType } from "../../runtime/hypervisor/qemu/machine.ts";
import { MAX_LUNS } from "../../runtime/hypervisor/qemu/disk.ts";
import { vcpuThreads } from "../../runtime/hypervisor/vcpu_threads.ts";
import { RunningVmProcess } from "../../runtime/hypervisor/vm_process.ts";
import { initialVmState, parseVmState } from "../../runtime/hypervisor/vm_state.ts";
import { compileC } from "../../tools/lib/c_program.ts";
import { sha256 } from "../../tools/lib/hash.ts";
import { denoConfig } from "../support/deno_config.ts";
import { Bench, KERNEL } from "./hypervisor/bench.ts";
import { type Driver, driversUnderTest } from "./hypervisor/drivers_under_test.ts";
import { QEMU_MACHINES } from "./hypervisor/qemu_drivers.ts";

const FOLDER = await Deno.makeTempDir({ prefix: "kata-vmm-" });
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));
const DRIVERS = await driversUnderTest(FOLDER);

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

const READY = Deno.uid() === 0 && Deno.build.arch === "x86_64" && exists(KERNEL);

function define(
  name: string,
  fn: () => Promise<void>,
  absent = READY ? "" : `needs root, x86-64 and a kernel at ${KERNEL}`,
): void {
  const ready = READY && absent === "";
  const why = ready ? "" : ` (skipped: ${absent})`;
  // The program's one reaper stays between tests.
  Deno.test({ name: name + why, ignore: !ready, sanitizeOps: false, sanitizeResources: false, fn });
}

function test(name: string, fn: (driver: Driver, hypervisor: Hypervisor) => Promise<void>): void {
  for (const driver of DRIVERS) {
    const run = () => fn(driver, driver.create(driver.program));
    define(`${driver.name}: ${name}`, run, driver.absent || undefined);
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`more than ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

test("start boots a VM and stop ends it, twice without harm", async (_, hypervisor) => {
  await using bench = await Bench.make();
  const vm = await bench.start(hypervisor);
  assert(bench.processes().includes(vm.pid));
  await within(5000, vm.stop());
  await vm.stop();
  assertEquals(bench.processes(), []);
  assert((await vm.exited).reason.includes("it was stopped"));
});

test("the end of a killed VM is noticed at once", async (_, hypervisor) => {
  await using bench = await Bench.make();
  await using vm = await bench.start(hypervisor);
  kill(vm.pid, "SIGKILL");
  const { reason, signal } = await within(1000, vm.exited);
  assertEquals(signal, 9);
  assert(reason.includes("killed by signal 9"), reason);
});

test("a VMM that does not react any more is killed", async (_, hypervisor) => {
  await using bench = await Bench.make();
  await using vm = await bench.start(hypervisor);
  kill(vm.pid, "SIGSTOP");
  await within(8000, vm.stop());
  assertEquals((await vm.exited).signal, 9);
});

test("a guest whose kernel panics ends, with its last words", async (_, hypervisor) => {
  await using bench = await Bench.make("panic");
  await using vm = await bench.start(hypervisor);
  const { reason } = await within(20_000, vm.exited);
  assert(reason.includes("Kernel panic - not syncing: Attempted to kill init!"), reason);
});

test("a guest that powers itself off ends the VM", async (_, hypervisor) => {
  await using bench = await Bench.make("powerOff");
  await using vm = await bench.start(hypervisor);
  const { reason, code } = await within(20_000, vm.exited);
  assertEquals(code, 0);
  assertMatch(reason, /the guest powered itself off/);
});

test("a boot without anything to boot into says what the kernel said", async (_, hypervisor) => {
  await using bench = await Bench.make();
  await Deno.writeTextFile(bench.spec.initrd ?? "", "070701 but then nothing that makes sense");
  await using vm = await bench.start(hypervisor);
  const { reason } = await within(20_000, vm.exited);
  assert(reason.includes("Kernel panic - not syncing"), reason);
});

test("cleanUp ends a VM from its saved state, read back from JSON", async (_, hypervisor) => {
  await using bench = await Bench.make();
  await using vm = await bench.start(hypervisor);
  const saved = parseVmState(JSON.parse(JSON.stringify(vm.saved)));
  await cleanUp(saved);
  await cleanUp(saved);
  assertEquals(bench.processes(), []);
  await within(1000, vm.exited);
});

test(
  "cleanUp ends a VM whose state was saved before it was spawned only",
  async (_, hypervisor) => {
    await using bench = await Bench.make();
    await using vm = await bench.start(hypervisor);
    await cleanUp(initialVmState(hypervisor.name, bench.spec.id, bench.spec.stateDir));
    assertEquals(bench.processes(), []);
    await within(1000, vm.exited);
  },
);

test(
  "start refuses bad files before anything runs, naming file and key",
  async (driver, hypervisor) => {
    await using bench = await Bench.make();
    const text = `${bench.folder}/text`;
    await Deno.writeTextFile(text, "no kernel, no initrd");
    const refused = (change: Parameters<Bench["start"]>[1], message: string, of = hypervisor) =>
      assertRejects(() => bench.start(of, change), RuntimeError, message);
    await refused({ kernel: "/nonexistent/vmlinux" }, 'kernel = "/nonexistent/vmlinux"');
    await refused({ kernel: text }, `kernel = "${text}": not a Linux kernel`);
    await refused({ initrd: text }, `initrd = "${text}": not an initrd`);
    await refused({ netnsPath: "/run/netns/gone" }, "/run/netns/gone");
    await refused({ id: "../x" }, "VM id");
    await refused({ stateDir: "/run/" + "x".repeat(120) }, "too long for Unix sockets");
    await refused({ vcpus: 0 }, "default_vcpus");
    await refused(
      {},
      `${driver.programKey} = "/nonexistent/vmm"`,
      driver.create("/nonexistent/vmm"),
    );
    assertEquals([...Deno.readDirSync(bench.spec.stateDir)], []);
  },
);

test("start reports what a VMM that ends at once said", async (driver) => {
  await using bench = await Bench.make();
  const program = await driver.endingProgram(bench.folder);
  const started = bench.start(driver.create(program));
  const error = await assertRejects(
    () => within(2000, started),
    RuntimeError,
    "exited with status 3",
  );
  assert(error.message.includes("cannot do that today"), error.message);
});

test("start reports a VMM that is too old", async (driver) => {
  await using bench = await Bench.make();
  const old = driver.create(await driver.oldProgram(bench.folder));
  await assertRejects(() => bench.start(old), RuntimeError, "too old");
  assertEquals(bench.processes(), []);
});

test("an aborted start leaves nothing", async (_, hypervisor) => {
  await using bench = await Bench.make();
  for (const delayMs of [0, 5, 20, 50]) {
    const signal = AbortSignal.timeout(delayMs);
    const vm = await hypervisor.start(bench.spec, signal).catch((error): Vm | undefined => {
      assertEquals(error?.name, "TimeoutError");
      return undefined;
    });
    await vm?.stop();
    assertEquals(bench.processes(), []);
  }
});

test("disks come and go while the VM runs", async (driver, hypervisor) => {
  await using bench = await Bench.make();
  const path = `${bench.folder}/disk, with a comma`;
  await Deno.writeFile(path, new Uint8Array(1 << 20));
  await using vm = await bench.start(hypervisor);
  const disk = (id: string) =>
    ({ kind: "disk", id, path, source: "file", readonly: false }) as const;
  const places = [await vm.attach(disk("a")), await vm.attach(disk("b"))];
  assertNotEquals(places[0], places[1]);
  await assertRejects(() => vm.attach(disk("a")), RuntimeError, "plugged already");
  await assertRejects(
    () => vm.attach({ ...disk("c"), path: "/nonexistent" }),
    RuntimeError,
    "/nonexistent",
  );
  await vm.detach("a");
  for (let round = 0; round < (driver.freesPlaces ? MAX_LUNS + 2 : 1); round++) {
    const place = await vm.attach(disk("c"));
    assertNotEquals(place, places[1]);
    if (driver.freesPlaces) await vm.detach("c");
  }
  await assertRejects(() => vm.detach("nobody"), RuntimeError, "not plugged");
});

test("a plugged disk becomes as large as its file, whose bytes stay", async (_, hypervisor) => {
  await using bench = await Bench.make();
  await using vm = await bench.start(hypervisor);
  const path = `${bench.folder}/disk`, bytes = 3 * 1024 * 1024;
  await Deno.writeFile(path, new Uint8Array(1024 * 1024).fill(7));
  await vm.attach({ kind: "disk", id: "a", path, source: "file", readonly: false });
  await Deno.truncate(path, bytes);
  await vm.resizeDisk("a", bytes);
  const content = await Deno.readFile(path);
  assertEquals([content.length, content.lastIndexOf(7)], [bytes, 1024 * 1024 - 1]);
  await assertRejects(() => vm.resizeDisk("b", bytes), RuntimeError, "not plugged");
});

test("a running VM grows as far as its maxima, where the VMM can", async (_, hypervisor) => {
  await using bench = await Bench.make();
  const room = { maxVcpus: 3, maxMemoryMiB: 1024, memorySlots: 2 };
  await using vm = await bench.start(hypervisor, room);
  assertEquals(hypervisor.capabilities.resize, vm.resize !== undefined);
  if (vm.resize === undefined) return;
  assertEquals(await vm.resize({ vcpus: 1, memoryMiB: 100 }), { vcpus: 1, memoryMiB: 256 });
  assertEquals(await vm.resize({ vcpus: 2, memoryMiB: 300 }), { vcpus: 2, memoryMiB: 384 });
  assert(vcpuThreads(vm.pid).length >= 2);
  assertEquals(await vm.resize({ vcpus: 9, memoryMiB: 9999 }), { vcpus: 3, memoryMiB: 1024 });
  assertEquals(vcpuThreads(vm.pid).length, 3);
});

test("a VM without room keeps its size", async (_, hypervisor) => {
  await using bench = await Bench.make();
  await using vm = await bench.start(hypervisor);
  const size = await vm.resize?.({ vcpus: 2, memoryMiB: 512 });
  assertEquals(size, hypervisor.capabilities.resize ? { vcpus: 1, memoryMiB: 256 } : undefined);
});

test("pause and resume", async (_, hypervisor) => {
  await using bench = await Bench.make();
  await using vm = await bench.start(hypervisor);
  await vm.pause();
  await vm.resume();
});

test("the VMM lives in the network namespace it was given", async (_, hypervisor) => {
  await using bench = await Bench.make();
  const argv = ["/usr/bin/unshare", "--net", "/bin/sh", "-c", "echo ready; exec sleep 60"];
  const holder = RunningVmProcess.spawn({ role: "netns", argv, stateDir: bench.folder });
  try {
    while (holder.output.lines(1) !== "ready") {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await using vm = await bench.start(hypervisor, { netnsPath: `/proc/${holder.pid}/ns/net` });
    const namespace = (pid: number | "self") => Deno.readLinkSync(`/proc/${pid}/ns/net`);
    assertEquals(namespace(vm.pid), namespace(holder.pid));
    assertNotEquals(namespace(vm.pid), namespace("self"));
  } finally {
    await holder.kill();
  }
});

test("a VM outlives the program that started it, and can be cleaned up by another", async (driver) => {
  await using bench = await Bench.make();
  const child = new URL("./hypervisor/start_and_wait.ts", import.meta.url).pathname;
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "-A",
      "--config",
      denoConfig(),
      child,
      driver.name,
      driver.program,
      JSON.stringify(bench.spec),
    ],
    stdout: "piped",
  });
  await using process = command.spawn();
  const { value } = await process.stdout.getReader().read();
  const saved = parseVmState(JSON.parse(new TextDecoder().decode(value)));
  process.kill("SIGKILL");
  await process.status;
  const alive = bench.processes();
  assert(saved.processes.length > 0 && saved.processes.every(({ pid }) => alive.includes(pid)));
  await cleanUp(saved);
  assertEquals(bench.processes(), []);
});

/** Driver and library as a host has them; without it no VM that reports free pages can be cloned. */
async function templateDriver(
  folder: string,
  machineType: MachineType = "q35",
): Promise<Hypervisor> {
  const privateRam = `${folder}/kata-private-ram.so`;
  await compileC("runtime/hypervisor/qemu/private_ram.c", privateRam);
  return new QemuDriver({ accelerator: "tcg", transport: "serial", privateRam, machineType });
}

async function saveTemplate(vm: Vm): Promise<void> {
  assert(vm.saveTemplate, "the driver cannot save VMs");
  await vm.saveTemplate(AbortSignal.timeout(20_000));
}

/** An origin that ran and was saved, and what a clone of it is started with. */
async function savedTemplate(hypervisor: Hypervisor, bench: Bench): Promise<VmTemplate> {
  const files = { memory: `${bench.folder}/memory`, state: `${bench.folder}/saved` };
  await using origin = await bench.start(hypervisor, { template: { role: "origin", ...files } });
  await saveTemplate(origin);
  return { role: "clone", ...files };
}

for (const machineType of QEMU_MACHINES) {
  define(
    `qemu ${machineType}: clones go on where the origin was saved, and leave it as it is`,
    async () => {
      await using bench = await Bench.make();
      const hypervisor = await templateDriver(bench.folder, machineType);
      assert(hypervisor.capabilities.template);
      const template = await savedTemplate(hypervisor, bench);
      const before = await sha256(await Deno.readFile(template.memory));
      for (const id of ["a", "b"]) {
        await using clone = await bench.start(hypervisor, { id, template });
        await clone.pause(); // it runs: there is something to pause
        await clone.resume();
      }
      assertEquals(await sha256(await Deno.readFile(template.memory)), before);
    },
  );
}

define(
  "qemu q35: a damaged state is told with QEMU's words, and nothing is left",
  async () => {
    await using bench = await Bench.make();
    const hypervisor = await templateDriver(bench.folder);
    const template = await savedTemplate(hypervisor, bench);
    await Deno.truncate(template.state, 1000);
    const error = await assertRejects(() => bench.start(hypervisor, { template }), RuntimeError);
    assert(error.message.includes("QEMU did not start"), error.message);
    assertEquals(bench.processes(), []);
  },
);

define("qemu q35: only an origin can be saved, and never over a template", async () => {
  await using bench = await Bench.make();
  const hypervisor = await templateDriver(bench.folder);
  {
    await using vm = await bench.start(hypervisor);
    await assertRejects(() => saveTemplate(vm), RuntimeError, "not started as a template's origin");
  }
  const files = { memory: `${bench.folder}/memory`, state: `${bench.folder}/saved` };
  await Deno.writeTextFile(files.state, "another's");
  await using origin = await bench.start(hypervisor, { template: { role: "origin", ...files } });
  await assertRejects(() => saveTemplate(origin));
  assertEquals(await Deno.readTextFile(files.state), "another's");
});

const HELPER = Deno.env.get("KATA_TEST_VHOST_DEVICE_VSOCK") ?? findVhostDeviceVsock("");

define(
  "qemu: the end of vhost-device-vsock is the end of its VM",
  async () => {
    await using bench = await Bench.make();
    const options = {
      accelerator: "tcg",
      transport: "hybrid-vsock",
      vhostDeviceVsock: HELPER ?? "",
    } as const;
    await using vm = await bench.start(new QemuDriver(options));
    assertEquals(vm.address.kind, "hybrid-vsock");
    const helper = vm.saved.processes.find(({ role }) => role === "vhost-device-vsock");
    kill(helper?.pid ?? 0, "SIGKILL");
    const { reason } = await within(2000, vm.exited);
    assert(reason.includes("vhost-device-vsock was killed by signal 9"), reason);
  },
  HELPER === undefined ? "needs vhost-device-vsock" : undefined,
);
