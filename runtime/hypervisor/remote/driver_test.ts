import { assert, assertEquals, assertRejects } from "@std/assert";
import { RuntimeError } from "../../../common/base/errors.ts";
import { isAlive } from "../../../common/linux/process.ts";
import { Hypervisor, Machine } from "../../../common/protocol/gen/kata/hypervisor_pb.ts";
import { TtrpcServer } from "../../../common/protocol/ttrpc/server.ts";
import { Routes, type ServiceImpl } from "../../../common/protocol/ttrpc/service.ts";
import type { VmSpec } from "../hypervisor.ts";
import { killQuietly } from "../vm_process.ts";
import { RemoteDriver } from "./driver.ts";

/** An owner of VMs whose one VM is a `sleep`, but for what a test has it do otherwise. */
class Owner implements AsyncDisposable {
  readonly stopped: string[] = [];
  readonly #folder = Deno.makeTempDirSync();
  readonly #connections = new Set<Deno.Conn>();
  readonly #listener = Deno.listen({ transport: "unix", path: `${this.#folder}/sock` });
  readonly #child = new Deno.Command("/bin/sleep", { args: ["60"] }).spawn();
  readonly #serving: Promise<void>;

  constructor(hypervisor: ServiceImpl<typeof Hypervisor> = {}) {
    const all: ServiceImpl<typeof Hypervisor> = {
      version: () => Promise.resolve({ version: "1.0" }),
      createVM: () => Promise.resolve({ agentSocketPath: `${this.#folder}/agent` }),
      startVM: () => Promise.resolve({ pid: this.#child.pid }),
      stopVM: ({ id }) => {
        this.stopped.push(id);
        this.#child.kill("SIGKILL");
        return Promise.resolve({});
      },
      ...hypervisor,
    };
    const machine: ServiceImpl<typeof Machine> = {
      waitVM: async () => {
        await this.#child.status;
        return { reason: "sleep \u001b[31mwas killed\u0007", signal: 9 };
      },
    };
    this.#serving = this.#serve(new Routes().add(Hypervisor, all).add(Machine, machine));
  }

  get driver(): RemoteDriver {
    return new RemoteDriver({ socket: `${this.#folder}/sock`, timeoutMs: 1000 });
  }

  spec(): VmSpec {
    const kernel = `${this.#folder}/kernel`;
    Deno.writeFileSync(kernel, Uint8Array.of(0x7f, 0x45, 0x4c, 0x46));
    return {
      ...{ id: "pod", stateDir: this.#folder, kernel, kernelParams: [], devices: [] },
      ...{ vcpus: 1, maxVcpus: 1, memoryMiB: 64, maxMemoryMiB: 64 },
    };
  }

  hangUp(): void {
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.hangUp();
    await this.#serving;
    killQuietly(this.#child.pid);
    await this.#child.status;
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #serve(routes: Routes): Promise<void> {
    for await (const connection of this.#listener) {
      this.#connections.add(connection);
      void new TtrpcServer(routes).serve(connection);
    }
  }
}

function test(name: string, fn: () => Promise<void>): void {
  // The one epoll loop of our connections outlives a test.
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

const SIGNAL = AbortSignal.timeout(60_000);

test("a VM ends as its owner says, without what would harm a terminal", async () => {
  await using owner = new Owner();
  const vm = await owner.driver.start(owner.spec(), SIGNAL);
  await vm.stop();
  assertEquals(owner.stopped, ["pod"]);
  assertEquals(await vm.exited, { reason: "sleep was killed; it was stopped", signal: 9 });
});

test("a VM whose owner hangs up is ended", async () => {
  await using owner = new Owner();
  const vm = await owner.driver.start(owner.spec(), SIGNAL);
  owner.hangUp();
  const { reason } = await vm.exited;
  assert(reason.startsWith("the remote hypervisor lost its VM: "), reason);
  assert(vm.saved.processes.every(({ pid, startTime }) => !isAlive(pid, startTime)));
});

test("an owner that makes no sense is refused, and what it made is undone", async () => {
  const refused = async (impl: ServiceImpl<typeof Hypervisor>, words: string): Promise<void> => {
    await using owner = new Owner(impl);
    await assertRejects(() => owner.driver.start(owner.spec(), SIGNAL), RuntimeError, words);
    if (!("version" in impl)) assertEquals(owner.stopped, ["pod"]);
  };
  await refused({ version: () => Promise.resolve({ version: "2.0" }) }, "too old or too new");
  await refused({ version: () => new Promise(() => {}) }, "it does not answer");
  await refused({ startVM: () => Promise.resolve({ pid: 1 }) }, "cannot be process 1");
  await refused({ startVM: () => Promise.resolve({ pid: 2 ** 22 + 1 }) }, "VMM");
  await refused({ createVM: () => Promise.resolve({ agentSocketPath: "x" }) }, "agent socket");
  await refused({ createVM: () => Promise.reject(new Error("no room")) }, "no room");
});

test("an owner that is not there is named with its key", async () => {
  await using owner = new Owner();
  const driver = new RemoteDriver({ socket: "/nonexistent/sock" });
  const start = () => driver.start(owner.spec(), SIGNAL);
  await assertRejects(start, RuntimeError, 'hypervisor_socket = "/nonexistent/sock": nobody');
});
