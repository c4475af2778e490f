/** A guest with the agent in QEMU, without a shim: for tests that look at the agent alone. */
import { AGENT_PORT, STREAM_PORT } from "../../common/protocol/transport/address.ts";
import type { Connection } from "../../common/protocol/transport/connection.ts";
import { writeAll } from "../../common/protocol/transport/connection.ts";
import { type Dialer, openDialer } from "../../common/protocol/transport/dialer.ts";
import { AgentService } from "../../common/protocol/gen/kata/agent_pb.ts";
import { Health } from "../../common/protocol/gen/kata/health_pb.ts";
import { TtrpcClient } from "../../common/protocol/ttrpc/client.ts";
import { type Client, createClient } from "../../common/protocol/ttrpc/service.ts";

const BOOT_TIMEOUT_MS = 30_000;
const APPEND =
  "console=ttyS0 quiet panic=-1 cgroup_no_v1=all apparmor=0 random.trust_cpu=on mitigations=off " +
  "init_on_alloc=0 tsc=reliable rcupdate.rcu_expedited=1 agent.log=debug";

export class AgentGuest implements AsyncDisposable {
  readonly #qemu: Deno.ChildProcess;
  #streams = 0;

  private constructor(
    readonly dir: string,
    qemu: Deno.ChildProcess,
    readonly dialer: Dialer,
    readonly agent: Client<typeof AgentService>,
    readonly health: Client<typeof Health>,
  ) {
    this.#qemu = qemu;
  }

  /** Boots `<dist>/vmlinux` and `<dist>/initrd.img`; `<dir>/share` is the folder behind the 9p tag "kataShared". */
  static async boot(dist: string): Promise<AgentGuest> {
    const dir = await Deno.makeTempDir({ prefix: "kata-guest-" });
    await Deno.mkdir(`${dir}/share`);
    const qemu = new Deno.Command("qemu-system-x86_64", {
      args: qemuArguments(dist, dir),
      stdin: "null",
    }).spawn();
    const dialer = await openDialer({ kind: "serial", path: `${dir}/agent` });
    const connection = await dialer.dial(AGENT_PORT, AbortSignal.timeout(BOOT_TIMEOUT_MS));
    const ttrpc = new TtrpcClient(connection);
    return new AgentGuest(
      dir,
      qemu,
      dialer,
      createClient(AgentService, ttrpc),
      createClient(Health, ttrpc),
    );
  }

  /** A connection for stdio, and its number. */
  async stream(): Promise<[number, Connection]> {
    const number = ++this.#streams;
    const connection = await this.dialer.dial(STREAM_PORT, AbortSignal.timeout(10_000));
    await writeAll(connection, new TextEncoder().encode(`STREAM ${number}\n`));
    const answer = new Uint8Array(3);
    await connection.read(answer);
    return [number, connection];
  }

  async console(): Promise<string> {
    return await Deno.readTextFile(`${this.dir}/console`);
  }

  get exited(): Promise<Deno.CommandStatus> {
    return this.#qemu.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dialer.close();
    try {
      this.#qemu.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended already
    }
    await this.#qemu.status;
    await Deno.remove(this.dir, { recursive: true });
  }
}

function qemuArguments(dist: string, dir: string): string[] {
  const devices = [
    ["virtio-serial-pci,id=vs0"],
    ["virtserialport,bus=vs0.0,chardev=c0,name=agent.channel.0"],
    ["virtio-rng-pci"],
    ["virtio-9p-pci,fsdev=f0,mount_tag=kataShared"],
  ];
  return [
    ..."-nodefaults -no-user-config -no-reboot -display none -machine q35 -m 768 -smp 1".split(" "),
    ..."-accel tcg,thread=multi,tb-size=128 -cpu max,-erms,-fsrm".split(" "),
    ...["-kernel", `${dist}/vmlinux`, "-initrd", `${dist}/initrd.img`, "-append", APPEND],
    ...["-serial", `file:${dir}/console`],
    ...["-chardev", `socket,id=c0,path=${dir}/agent,server=on,wait=off`],
    ...["-fsdev", `local,id=f0,path=${dir}/share,security_model=none`],
    ...devices.flatMap(([device]) => ["-device", device ?? ""]),
  ];
}
