/** A VMM that fails in any way is told for what it is within two seconds, and nothing of it is left. */
import { assert, assertEquals } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { kill } from "../../common/linux/process.ts";
import { unixConnect } from "../../common/linux/socket.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import type { Hypervisor } from "../../runtime/hypervisor/hypervisor.ts";
import { QmpClient } from "../../runtime/hypervisor/qemu/qmp.ts";
import { startServing } from "../../runtime/hypervisor/serving_process.ts";
import { Bench, KERNEL } from "./hypervisor/bench.ts";
import type { Driver } from "./hypervisor/drivers_under_test.ts";
import { createQemu, isFile, QEMU, qemuDrivers } from "./hypervisor/qemu_drivers.ts";
import { remoteDrivers } from "./hypervisor/remote_drivers.ts";

const CLEAR_MS = 2000;
/** After the first process of the VM is there, in milliseconds: a boot until the guest runs takes some 80. */
const STEPS_MS = [0, 2, 5, 10, 20, 40, 60, 80, 120];

const FOLDER = await Deno.makeTempDir({ prefix: "kata-vmm-" });
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));
const READY = Deno.uid() === 0 && Deno.build.arch === "x86_64" && isFile(KERNEL);
const DRIVERS = [...qemuDrivers(), ...await remoteDrivers(FOLDER)];

function test(
  name: string,
  drivers: readonly Driver[],
  fn: (driver: Driver) => Promise<void>,
): void {
  for (const driver of drivers) {
    const why = driver.absent || (READY ? "" : `needs root, x86-64 and a kernel at ${KERNEL}`);
    Deno.test({
      name: `${driver.name}: ${name}${why && ` (skipped: ${why})`}`,
      ignore: why !== "",
      // The program's one reaper, and the remote example, stay between tests.
      sanitizeOps: false,
      sanitizeResources: false,
      fn: () => fn(driver),
    });
  }
}

/** How a start fails, or how its VM ends by itself. */
async function failure(bench: Bench, hypervisor: Hypervisor): Promise<string> {
  const since = performance.now();
  const words = await bench.start(hypervisor).then(
    async (vm) => (await vm.exited).reason,
    (error) => {
      assert(error instanceof RuntimeError, String(error));
      return error.message;
    },
  );
  const took = performance.now() - since;
  assert(took < CLEAR_MS, `it took ${took} ms to say: ${words}`);
  return words;
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      kill(pid, "SIGKILL");
    } catch (error) {
      if (!isErrno(error, "ESRCH")) throw error; // it has just ended
    }
  }
}

/** Kills all of a VM's processes so long after its first one was there. */
async function strike(bench: Bench, delayMs: number): Promise<void> {
  while (bench.processes().length === 0) await pause(1);
  await pause(delayMs);
  killAll(bench.processes());
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

test(
  "a VMM that is killed at any step of the boot is told, and leaves nothing",
  DRIVERS,
  async (driver) => {
    for (const delayMs of STEPS_MS) {
      await using bench = await Bench.make();
      const failing = failure(bench, driver.create(driver.program));
      await strike(bench, delayMs);
      const words = await failing;
      // Where a helper of the VMM's was all that was there to be killed, the VMM says what it missed.
      assert(/killed by signal 9|did not start/.test(words), `after ${delayMs} ms: ${words}`);
      assertEquals(bench.processes(), []);
    }
  },
);

test("a VMM without a device that is asked for says which", qemuDrivers(), async (driver) => {
  await using bench = await Bench.make();
  const path = `${bench.folder}/qemu`;
  const rename =
    'for word; do shift; set -- "$@" "$(echo "$word" | sed s/virtio-rng-pci/no-such-device/)"; done';
  await Deno.writeTextFile(path, `#!/bin/bash\n${rename}\nexec ${QEMU} "$@"\n`, { mode: 0o755 });
  const words = await failure(bench, createQemu(driver.name, path));
  assert(words.includes("no-such-device"), words);
  assertEquals(bench.processes(), []);
});

test("a socket that is there already is named, and stays", qemuDrivers(), async (driver) => {
  for (const name of ["monitor.sock", "console.sock", "agent.sock"]) {
    await using bench = await Bench.make();
    const path = `${bench.spec.stateDir}/${name}`;
    using _ = Deno.listen({ transport: "unix", path });
    const words = await failure(bench, driver.create(driver.program));
    assert(words.includes(path) && words.includes("already"), words);
    assertEquals([...Deno.readDirSync(bench.spec.stateDir)].map((entry) => entry.name), [name]);
    assertEquals(bench.processes(), []);
  }
});

test("a missing program is named by its key", DRIVERS, async (driver) => {
  await using bench = await Bench.make();
  const words = await failure(bench, driver.create("/nonexistent/vmm"));
  assert(words.includes(`${driver.programKey} = "/nonexistent/vmm"`), words);
});

/** The connection of a monitor client, which the test can cut. */
function connect(path: string): FdStream {
  return new FdStream(unixConnect(path));
}

test(
  "QEMU's monitor takes a second connection when the first was cut",
  qemuDrivers().slice(0, 1),
  async ({ program }) => {
    await using bench = await Bench.make();
    const { stateDir } = bench.spec, socket = `${stateDir}/monitor.sock`;
    const argv = [program, "-machine", "none", "-nodefaults", "-display", "none"];
    const qemu = await startServing({
      ...{ role: "qemu", argv: [...argv, "-qmp", `unix:${socket},server=on,wait=off`] },
      ...{ stateDir, socket, readyMs: CLEAR_MS },
    }, AbortSignal.timeout(CLEAR_MS));
    const first = connect(socket);
    using client = await QmpClient.open(first, CLEAR_MS, undefined, {
      reopen: () => connect(socket),
    });
    await client.execute("query-status");
    first.close();
    const again = async (): Promise<unknown> => await client.execute("query-version");
    await again().catch(again); // the first may be the one that was cut off
    await qemu.kill();
    await client.closed;
  },
);
