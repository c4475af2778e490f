import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import type { Net } from "../device.ts";
import type { VmSpec } from "../hypervisor.ts";
import { type CommandLine, commandLine, type QemuPlan } from "./command_line.ts";
import { quoted } from "./device_arguments.ts";
import { MACHINES } from "./machine.ts";
import { DEFAULT_QEMU_OPTIONS } from "./options.ts";

const SPEC: VmSpec = {
  id: "pod",
  stateDir: "/run/x",
  kernel: "/k",
  initrd: "/i",
  kernelParams: ["agent.log=debug"],
  vcpus: 1,
  maxVcpus: 1,
  memoryMiB: 512,
  maxMemoryMiB: 512,
  devices: [],
};
const PLAN: QemuPlan = {
  options: DEFAULT_QEMU_OPTIONS,
  accelerator: "tcg",
  machine: MACHINES.q35,
  release: { major: 7, minor: 2 },
  numa: [],
  tscParams: ["tsc_early_khz=1"],
  channel: { kind: "serial-channel", name: "agent.channel.0", listenFd: 41 },
  monitorFd: 42,
  consoleFd: 43,
};

function line(spec: Partial<VmSpec> = {}, plan: Partial<QemuPlan> = {}): CommandLine {
  return commandLine({ ...SPEC, ...spec }, { ...PLAN, ...plan });
}

/** The values of every occurrence of an option. */
function values({ argv }: CommandLine, option: string): string[] {
  return argv.filter((_, index) => argv[index - 1] === option);
}

function value(command: CommandLine, option: string): string {
  const [only, ...more] = values(command, option);
  assertEquals(more, [], `${option} more than once`);
  return only ?? "";
}

Deno.test("commandLine boots the kernel with what the machine, the accelerator and the caller want", () => {
  const command = line();
  assertEquals(command.argv[0], DEFAULT_QEMU_OPTIONS.path);
  assertEquals([value(command, "-kernel"), value(command, "-initrd")], ["/k", "/i"]);
  assertEquals(value(command, "-accel"), "tcg,tb-size=64");
  const words = value(command, "-append").split(" ");
  assertEquals(words.at(-1), "agent.log=debug");
  assert(words.includes("panic=-1") && words.includes("mitigations=off"));
});

Deno.test("commandLine has QEMU become another user, whose claim it keeps, and lets it no further", () => {
  const command = line({}, { user: { uid: 1234, claimFd: 60 } });
  assertEquals(value(command, "-runas"), "1234:1234");
  assert(Object.values(command.fds).includes(60));
  assert(value(command, "-sandbox").includes("elevateprivileges=children"));
  assert(value(line(), "-sandbox").includes("elevateprivileges=deny"));
  assertEquals(values(line(), "-runas"), []);
});

Deno.test("commandLine weakens the guest only where it is emulated", () => {
  const command = line({}, { accelerator: "kvm" });
  assertEquals(value(command, "-cpu"), "host");
  const words = value(command, "-append").split(" ");
  assert(!words.some((word) => /mitigations|init_on_alloc|notests/.test(word)), words.join(" "));
});

Deno.test("commandLine gives QEMU each descriptor once, under the number that its arguments name", () => {
  const command = line();
  const fds = (text: string): number[] => [...text.matchAll(/fd=(\d+)/g)].map(([, n]) => Number(n));
  const named = values(command, "-chardev").flatMap(fds);
  assertEquals(named.map((fd) => command.fds[fd]).sort(), [41, 42, 43]);
  const vsock = line({}, { channel: { kind: "vsock", cid: 77, vhostFd: 50 } });
  const device = values(vsock, "-device").find((text) =>
    text.startsWith("vhost-vsock-pci,guest-cid=77,")
  );
  assertEquals(fds(device ?? "").map((fd) => vsock.fds[fd]), [50]);
});

Deno.test("commandLine shares memory with a vhost-user process only", () => {
  const channel = { kind: "vhost-user-vsock", socketPath: "/run/x/vhost.sock" } as const;
  const ram = (command: CommandLine) =>
    values(command, "-object").find((text) => text.includes("id=ram"));
  assertEquals(ram(line({}, { channel })), "memory-backend-memfd,share=on,id=ram,size=512M");
  assertEquals(ram(line()), "memory-backend-ram,id=ram,size=512M");
});

Deno.test("commandLine leaves room to grow only when asked", () => {
  assertEquals(value(line(), "-m"), "512M");
  const room = { maxVcpus: 4, maxMemoryMiB: 2048, memorySlots: 8 };
  const command = line(room, { accelerator: "kvm" });
  assertEquals([value(command, "-m"), value(command, "-smp")], [
    "512M,slots=8,maxmem=2048M",
    "1,maxcpus=4",
  ]);
});

Deno.test("commandLine has an emulated guest leave the processors off that it may get later", () => {
  const parked = line({ vcpus: 2, maxVcpus: 4 });
  assertEquals(value(parked, "-smp"), "4");
  assert(value(parked, "-append").split(" ").includes("maxcpus=2"));
  const full = line({ vcpus: 4, maxVcpus: 4 });
  assertEquals(value(full, "-smp"), "4");
  assert(!value(full, "-append").includes("maxcpus"));
});

Deno.test("commandLine gives memory by virtio-mem where it is asked to, not reserved before", () => {
  const room = { maxMemoryMiB: 2051, memorySlots: 8 }; // its blocks are of 4 MiB
  const options = { ...DEFAULT_QEMU_OPTIONS, virtioMem: true };
  const command = line(room, { options });
  assert(
    values(command, "-object").includes(
      "memory-backend-ram,id=virtio-mem-ram,size=1536M,reserve=off",
    ),
  );
  assert(values(command, "-device").some((text) => text.startsWith("virtio-mem-pci,")));
  assert(value(command, "-append").includes("memhp_default_state=online"));
  for (const without of [line(room), line({}, { options })]) {
    assert(!values(without, "-device").some((text) => text.startsWith("virtio-mem-pci,")));
  }
  assert(!value(line(), "-append").includes("memhp"));
});

Deno.test("commandLine makes the image the first disk and its root", () => {
  const disk = {
    kind: "disk",
    id: "d",
    path: "/d",
    source: "block-device",
    readonly: false,
  } as const;
  const { initrd: _initrd, ...noInitrd } = SPEC;
  const command = commandLine({ ...noInitrd, image: "/img", devices: [disk] }, PLAN);
  const [first, second] = values(command, "-blockdev");
  assert(first?.includes("read-only=on") && first.includes("file.filename=/img"), first);
  assert(second?.includes("file.driver=host_device") && second.includes("read-only=off"), second);
  assert(value(command, "-append").includes("root=/dev/vda"));
  assertEquals(values(command, "-initrd"), []);
});

Deno.test("a share that another process serves needs shared memory", () => {
  const socketPath = "/s/virtiofs.sock";
  const share = { kind: "share-virtio-fs", tag: "t", socketPath, queueSize: 64 } as const;
  const command = line({ devices: [share] });
  assert(values(command, "-object").some((text) => text.includes("memfd,share=on")));
  assert(values(command, "-device").includes("vhost-user-fs-pci,chardev=fs-t,tag=t,queue-size=64"));
});

Deno.test("a path cannot add options, whatever is in it", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (path) => {
    const share = {
      kind: "share-9p",
      tag: "t",
      path,
      readonly: true,
      securityModel: "none",
    } as const;
    const [text = ""] = values(line({ devices: [share] }), "-fsdev");
    // QEMU's own rule: a single comma ends a value, two are one comma.
    const parts = text.replaceAll(",,", "\0").split(",").map((part) => part.replaceAll("\0", ","));
    assertEquals(parts.length, 6);
    assertEquals(parts[2], `path=${path}`);
  }));
  assertEquals(quoted("a,b"), "a,,b");
});

Deno.test("commandLine gives each network card its place, its queues and the host kernel's help", () => {
  const net = (id: string, fds: number[], vhostFds: number[] = []): Net => (
    { kind: "net", id, tap: id, mac: "02:00:00:00:00:01", fds, vhostFds }
  );
  const one = { kind: "net", id: "n0", tap: "tap,0", mac: "02:00:00:00:00:01" } as const;
  const devices = [one, net("n1", [41]), net("n2", [42, 43], [44, 45])];
  const argv = line({ devices });
  const backends = values(argv, "-netdev");
  assertEquals(backends[0], "tap,id=n0,ifname=tap,,0,script=no,downscript=no");
  assertMatch(backends[1] ?? "", /^tap,id=n1,fd=\d+$/);
  assertMatch(backends[2] ?? "", /^tap,id=n2,fds=\d+:\d+,vhost=on,vhostfds=\d+:\d+$/);
  const cards = values(argv, "-device").filter((text) => text.startsWith("virtio-net-"));
  assertEquals(cards.map((text) => /addr=([^,]+)/.exec(text)?.[1]), ["18.0", "18.1", "18.2"]);
  assertEquals(cards.map((text) => text.includes("mq=on,vectors=6")), [false, false, true]);
});

Deno.test("commandLine gives every release only what it knows", () => {
  const release = { major: 5, minor: 2 };
  const options = { ...DEFAULT_QEMU_OPTIONS, virtioMem: true };
  const old = line({ maxMemoryMiB: 2048, memorySlots: 8 }, { options, release });
  assert(!old.argv.some((word) => word.includes("reserve=")));
  assertEquals(values(old, "-device").at(-1), "pvpanic");
  assertEquals(values(line(), "-device").at(-1), "pvpanic-pci");
});

Deno.test("commandLine makes a microvm and ARM's machine as their profiles say", () => {
  const microvm = line({}, { machine: MACHINES.microvm });
  assert(value(microvm, "-machine").startsWith("microvm,acpi=on,"));
  assertEquals(value(microvm, "-global"), "virtio-pci.disable-legacy=on");
  assert(value(microvm, "-append").split(" ").includes("pcie_ports=native"));
  const virt = line({}, { machine: MACHINES.virt });
  assert(value(virt, "-machine").startsWith("virt,gic-version=max,"));
  assertEquals(value(virt, "-cpu"), "max");
  const words = value(virt, "-append").split(" ");
  assert(
    words.includes("console=ttyAMA0") && !words.some((word) => /ttyS0|^tsc|no_timer/.test(word)),
  );
});

Deno.test("commandLine parts memory and processors among NUMA nodes", () => {
  const numa = [
    { memoryMiB: 512, cpus: [0, 0], hostNodes: ["0-1", "3"] },
    { memoryMiB: 256, cpus: [1, 1], hostNodes: ["2"] },
  ] as const;
  const command = line({ memoryMiB: 768, vcpus: 2, maxVcpus: 2 }, { numa });
  assert(!value(command, "-machine").includes("memory-backend"));
  assertEquals(values(command, "-object").slice(0, 2), [
    "memory-backend-ram,id=ram-node0,size=512M,host-nodes=0-1,host-nodes=3,policy=interleave",
    "memory-backend-ram,id=ram-node1,size=256M,host-nodes=2,policy=interleave",
  ]);
  assertEquals(values(command, "-numa"), [
    "node,nodeid=0,cpus=0-0,memdev=ram-node0",
    "node,nodeid=1,cpus=1-1,memdev=ram-node1",
  ]);
});

Deno.test("commandLine starts another firmware, and makes as many slots as are asked for", () => {
  const options = { ...DEFAULT_QEMU_OPTIONS, firmware: "/usr/share/fw.bin" };
  const command = line({}, { options, machine: { ...MACHINES.microvm, rootPorts: 5 } });
  assertEquals(value(command, "-bios"), "/usr/share/fw.bin");
  const ports = values(command, "-device").filter((text) => text.startsWith("pcie-root-port,"));
  assertEquals(ports.length, 5);
  assertEquals(values(line(), "-bios"), []);
});

Deno.test("commandLine takes memory from the pool of huge pages where it is asked to", () => {
  const command = line({}, { options: { ...DEFAULT_QEMU_OPTIONS, hugePages: true } });
  assertEquals(values(command, "-object")[0], "memory-backend-memfd,id=ram,size=512M,hugetlb=on");
});
