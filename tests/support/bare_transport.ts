/** What a transport carries by itself: a small C program in the agent's place, and no protocol. */
import { writeCpio } from "../../guest/build/cpio.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { unixConnect } from "../../common/linux/socket.ts";
import { closeQuietly, type Connection } from "../../common/protocol/transport/connection.ts";
import { openDialer } from "../../common/protocol/transport/dialer.ts";
import { loadConfig } from "../../runtime/config/load.ts";
import { createHypervisor } from "../../runtime/hypervisor/drivers.ts";
import type { Vm } from "../../runtime/hypervisor/hypervisor.ts";
import { compileC } from "../../tools/lib/c_program.ts";
import { DIST } from "../../tools/lib/paths.ts";

/** Bytes that go over at a time. Source: guest/bare.c. */
export const BARE_BYTES = 64 * 1024 * 1024;

const PORT = 1024;
const BLOCK_BYTES = 256 * 1024;
const BOOT_MS = 60_000;

/** A guest in which nothing but the transport is at work. */
export class BareTransport implements AsyncDisposable {
  readonly #vm: Vm;
  readonly #connection: Connection;
  readonly #block = new Uint8Array(BLOCK_BYTES);
  readonly #folder: string;

  private constructor(vm: Vm, connection: Connection, folder: string) {
    this.#vm = vm;
    this.#connection = connection;
    this.#folder = folder;
  }

  /** Boots it with the kernel and the settings that containers get. */
  static async boot(transport: "serial" | "hybrid-vsock"): Promise<BareTransport> {
    const folder = await Deno.makeTempDir({ prefix: "kata-bare-" });
    const initrd = await makeInitrd(folder);
    const config = loadConfig({
      body: `[hypervisor.qemu]\ntransport = "${transport}"\n`,
      binaryDir: DIST,
    });
    const vm = await createHypervisor(config.hypervisor).start({
      id: "bare",
      stateDir: folder,
      kernel: config.hypervisor.kernel,
      initrd,
      kernelParams: [],
      vcpus: 1,
      maxVcpus: 1,
      memoryMiB: config.hypervisor.defaultMemory,
      maxMemoryMiB: config.hypervisor.defaultMemory,
      devices: [],
    }, AbortSignal.timeout(BOOT_MS));
    return new BareTransport(vm, await connect(vm), folder);
  }

  /** Takes all that the guest sends. @returns Milliseconds. */
  async receive(): Promise<number> {
    const started = performance.now();
    await this.#command("o");
    for (let left = BARE_BYTES; left > 0;) left -= await this.#read();
    return performance.now() - started;
  }

  /** Sends until the guest has it all. @returns Milliseconds. */
  async send(): Promise<number> {
    const started = performance.now();
    await this.#command("i");
    for (let left = BARE_BYTES; left > 0;) left -= await this.#connection.write(this.#block);
    await this.#read();
    return performance.now() - started;
  }

  /** One byte there and one back. @returns Milliseconds. */
  async roundTrip(): Promise<number> {
    const started = performance.now();
    await this.#command("e");
    await this.#read();
    return performance.now() - started;
  }

  async #command(letter: string): Promise<void> {
    await this.#connection.write(new TextEncoder().encode(letter));
  }

  async #read(): Promise<number> {
    const count = await this.#connection.read(this.#block);
    if (count === null) throw new Error("The bare guest has ended");
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeQuietly(this.#connection);
    await this.#vm.stop();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The guest's own initrd with another program under the agent's name: later files win. */
async function makeInitrd(folder: string): Promise<string> {
  await compileC("tests/bench/guest/bare.c", `${folder}/bare`);
  const data = await Deno.readFile(`${folder}/bare`);
  const path = `${folder}/initrd`;
  await Deno.copyFile(`${DIST}/initrd.img`, path);
  const more = writeCpio([{ kind: "file", path: "usr/bin/kata-agent", mode: 0o755, data }]);
  await Deno.writeFile(path, more, { append: true });
  return path;
}

async function connect({ address }: Vm): Promise<Connection> {
  if (address.kind === "serial") return new FdStream(unixConnect(address.path));
  const dialer = await openDialer(address);
  return await dialer.dial(PORT, AbortSignal.timeout(BOOT_MS));
}
