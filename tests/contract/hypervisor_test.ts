import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { kill } from "../../common/linux/process.ts";
import { cleanUp } from "../../runtime/hypervisor/clean_up.ts";
import { QemuDriver } from "../../runtime/hypervisor/qemu/driver.ts";
import { findVhostDeviceVsock } from "../../runtime/hypervisor/qemu/vhost_device_vsock.ts";
import { MAX_LUNS } from "../../runtime/hypervisor/qemu/disk.ts";
import { vcpuThreads } from "../../runtime/hypervisor/vcpu_threads.ts";
import { RunningVmProcess } from "../../runtime/hypervisor/vm_process.ts";
import { initialVmState, parseVmState } from "../../runtime/hypervisor/vm_state.ts";
import { denoConfig } from "../support/deno_config.ts";
import { Bench } from "./hypervisor/bench.ts";
import { define, test, within } from "./hypervisor/suite.ts";

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

test("a running VM grows as far as its maxima, where the VMM can", async (driver, hypervisor) => {
  await using bench = await Bench.make();
  const room = { maxVcpus: 3, maxMemoryMiB: 1024, memorySlots: 2 };
  await using vm = await bench.start(hypervisor, room);
  assertEquals(hypervisor.capabilities.resize, vm.resize !== undefined);
  if (vm.resize === undefined) return;
  assertEquals(await vm.resize({ vcpus: 1, memoryMiB: 100 }), { vcpus: 1, memoryMiB: 256 });
  assertEquals(await vm.resize({ vcpus: 2, memoryMiB: 300 }), { vcpus: 2, memoryMiB: 384 });
  if (driver.real) assert(vcpuThreads(vm.pid).length >= 2);
  assertEquals(await vm.resize({ vcpus: 9, memoryMiB: 9999 }), { vcpus: 3, memoryMiB: 1024 });
  if (driver.real) assertEquals(vcpuThreads(vm.pid).length, 3);
  await vm.resize({ vcpus: 1, memoryMiB: 256 }).catch(refusedByGuest);
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
  const pids = saved.processes.map(({ pid }) => pid), alive = bench.processes();
  assert(pids.length > 0 && pids.every((pid) => alive.includes(pid)));
  if (driver.real) assertEquals(alive, pids); // a server's QEMU is beside it, or in its jail
  await cleanUp(saved);
  assertEquals(bench.processes(), []);
});

test("the VMM's figures, where it counts", async (_, hypervisor) => {
  await using bench = await Bench.make();
  await using vm = await bench.start(hypervisor);
  if (vm.counters === undefined) return;
  for (const _round of [1, 2]) {
    const figures = await vm.counters(AbortSignal.timeout(5_000));
    assert(Object.keys(figures).length > 0);
  }
});

/** Where a booting guest asks for its limits, a VMM can refuse to take back; that it answers is what counts. */
function refusedByGuest(error: unknown): void {
  assert(error instanceof RuntimeError, String(error));
}

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
