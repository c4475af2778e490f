import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fromBinary } from "@bufbuild/protobuf";
import { MetricsSchema as MetricsV1Schema } from "../../common/protocol/gen/containerd/cgroups_v1_pb.ts";
import { Status } from "../../common/protocol/gen/containerd/process_pb.ts";
import { Containerd } from "../support/containerd.ts";
import { EventLog } from "../support/event_log.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import {
  podAnnotations,
  Rootfs,
  runArguments,
  runSpec,
  type SpecChange,
  specOf,
} from "../support/oci_bundle.ts";
import { TaskClient } from "../support/task_client.ts";

const POD = "features";
const FOREVER = ["sh", "-c", "echo up; exec sleep 100000"];
const MIB = 1024 * 1024;
/** Of the JSON that Update takes. */
const RESOURCES_URL = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

/** A container that runs on in the background. */
async function start(
  containerd: Containerd,
  id: string,
  spec: Record<string, unknown>,
): Promise<{ ended: Promise<Deno.CommandStatus> }> {
  const [program, ...args] = containerd.argv(...await runArguments(containerd, id, spec));
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "piped" })
    .spawn();
  const stderr = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assertEquals(new TextDecoder().decode(value), "up\n", value ? "" : await stderr);
  void (async () => {
    while (!(await reader.read()).done);
  })();
  return { ended: child.status };
}

Deno.test("what a specification asks for, in the guest", async (test) => {
  const before = await snapshot();
  {
    await using rootfs = await Rootfs.make();
    await using containerd = await Containerd.start();
    await using events = new EventLog(containerd);
    const inPod = (args: readonly string[], change: SpecChange = {}): Record<string, unknown> =>
      specOf(rootfs, args, { ...change, annotations: podAnnotations("container", POD) });
    /** Runs a script in a container of the pod; its lines. */
    const lines = async (id: string, script: string, change?: SpecChange): Promise<string[]> => {
      const result = await runSpec(containerd, id, inPod(["sh", "-c", script], change));
      assertEquals([result.code, result.stderr], [0, ""]);
      return result.stdout.trim().split("\n");
    };
    const pod = await start(
      containerd,
      POD,
      specOf(rootfs, FOREVER, { annotations: podAnnotations("sandbox", POD) }),
    );

    await test.step("a process is what its specification says", async () => {
      const script = "id -u; id -g; id -G; pwd; echo $COLOUR; umask; ulimit -n; ulimit -H -n;" +
        "cat /proc/self/oom_score_adj; grep -E 'NoNewPrivs|CapBnd|CapEff' /proc/self/status";
      const found = await lines("process", script, {
        process: {
          cwd: "/tmp",
          env: ["PATH=/bin", "COLOUR=green"],
          user: { uid: 1000, gid: 1001, additionalGids: [5, 6], umask: 0o027 },
          rlimits: [{ type: "RLIMIT_NOFILE", soft: 77, hard: 88 }],
          oomScoreAdj: 321,
          noNewPrivileges: true,
          capabilities: { bounding: ["CAP_KILL"], effective: [], permitted: [] },
        },
      });
      assertEquals(found.slice(0, 9), [
        ...["1000", "1001", "1001 5 6", "/tmp", "green", "0027", "77", "88", "321"],
      ]);
      assertEquals(found.slice(9).map((line) => line.replace(/\s+/g, " ")).sort(), [
        "CapBnd: 0000000000000020",
        "CapEff: 0000000000000000",
        "NoNewPrivs: 1",
      ]);
    });

    await test.step("paths are masked and read-only, and so is the root", async () => {
      const script = "wc -c < /proc/cmdline; echo 1 > /proc/sys/kernel/panic; touch /file; echo $?";
      const change = {
        rootReadonly: true,
        linux: { maskedPaths: ["/proc/cmdline"], readonlyPaths: ["/proc/sys"] },
      };
      const result = await runSpec(containerd, "paths", inPod(["sh", "-c", script], change));
      assertEquals(result.stdout, "0\n1\n");
      assertMatch(result.stderr, /panic: Read-only.*\n.*\/file: Read-only/);
    });

    await test.step("system calls are filtered", async () => {
      const syscalls = [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 71 }];
      const seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls };
      const script = ["sh", "-c", "mkdir /tmp/folder"];
      const result = await runSpec(containerd, "filtered", inPod(script, { linux: { seccomp } }));
      assertMatch(result.stderr, /Protocol error/); // 71
    });

    await test.step("sysctls of the network are the pod's, others the container's", async () => {
      const sysctl = { "net.ipv4.ip_default_ttl": "77", "kernel.shm_rmid_forced": "1" };
      const script = "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/shm_rmid_forced";
      assertEquals(await lines("sysctls", script, { linux: { sysctl } }), ["77", "1"]);
    });

    await test.step("devices have the guest's numbers; those it lacks are refused, or left out for a privileged one", async () => {
      const zero = { path: "/dev/mine", type: "c", major: 1, minor: 5, fileMode: 0o666 };
      const kvm = { path: "/dev/kvm", type: "c", major: 10, minor: 232 };
      const deny = { allow: false, access: "rwm" };
      const rules = (...more: unknown[]): Record<string, unknown> => ({ devices: [deny, ...more] });
      const allowZero = { allow: true, type: "c", major: 1, minor: 5, access: "rwm" };
      const look = "head -c 2 /dev/mine | od -An -tx1; ls /dev | grep -c kvm";
      const one = inPod(["sh", "-c", look], {
        linux: { devices: [zero], resources: rules(allowZero) },
      });
      assertEquals((await runSpec(containerd, "device", one)).stdout, " 00 00\n0\n");
      const lacking = inPod(["true"], { linux: { devices: [kvm], resources: rules() } });
      const refused = await runSpec(containerd, "lacking", lacking);
      assertMatch(refused.stderr, /no device "\/dev\/kvm" \(c 10:232\)/);
      const all = rules({ allow: true, access: "rwm" });
      const privileged = inPod(["sh", "-c", look], {
        linux: { devices: [zero, kvm], resources: all },
      });
      assertEquals((await runSpec(containerd, "privileged", privileged)).stdout, " 00 00\n0\n");
    });

    await test.step("limits are the container's cgroup's", async () => {
      const found = await lines(
        "limits",
        "cd /sys/fs/cgroup; cat memory.max pids.max cpu.max cpu.weight",
        {
          linux: {
            resources: {
              memory: { limit: 64 * MIB },
              pids: { limit: 20 },
              cpu: { quota: 150_000, period: 200_000, shares: 512, cpus: "0" },
            },
          },
        },
      );
      assertEquals(found, [`${64 * MIB}`, "20", "150000 200000", "20"]);
    });

    await test.step("hooks run on the host, those of the container in the guest", async () => {
      const folder = await Deno.makeTempDir({ prefix: "kata-hooks-" });
      const note = (name: string): unknown[] => {
        const script = `cat > ${folder}/${name}; readlink /proc/self/ns/uts > ${folder}/uts`;
        return [{ path: "/bin/sh", args: ["sh", "-c", script] }];
      };
      const kinds = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];
      const hooks = {
        ...Object.fromEntries(kinds.map((kind) => [kind, note(kind)])),
        startContainer: [{ path: "/bin/touch", args: ["touch", "/tmp/hooked"] }],
      };
      assertEquals(await lines("hooked", "ls /tmp", { hooks }), ["hooked"]);
      for (const kind of kinds) {
        const { id, status, pid } = JSON.parse(await Deno.readTextFile(`${folder}/${kind}`));
        const expected = { poststart: "running", poststop: "stopped" }[kind] ?? "creating";
        assertEquals([id, status, pid > 0], ["hooked", expected, kind !== "poststop"]);
      }
      assertEquals(
        (await Deno.readTextFile(`${folder}/uts`)).trim(),
        Deno.readLinkSync("/proc/self/ns/uts"),
      );
      await Deno.remove(folder, { recursive: true });
    });

    await test.step("a hook that fails fails the creation, and poststop hooks still run", async () => {
      const file = await Deno.makeTempFile();
      const shell = (
        script: string,
      ): unknown[] => [{ path: "/bin/sh", args: ["sh", "-c", script] }];
      const hooks = {
        createRuntime: shell("echo no network today >&2; exit 4"),
        poststop: shell(`echo cleaned > ${file}`),
      };
      const result = await runSpec(containerd, "unhooked", inPod(["true"], { hooks }));
      assertMatch(result.stderr, /createRuntime hook "\/bin\/sh".*status 4: no network today/);
      assertEquals(await Deno.readTextFile(file), "cleaned\n");
      await Deno.remove(file);
    });

    const resources = { memory: { limit: 128 * MIB }, pids: { limit: 200 } };
    const neighbour = await start(
      containerd,
      "neighbour",
      inPod(FOREVER, { linux: { resources } }),
    );
    using client = await TaskClient.connect(containerd, "neighbour");
    const { task } = client;
    let execs = 0;
    const look = async (script: string): Promise<string> => {
      const { status, stdout } = await client.run(`look${execs++}`, ["sh", "-c", script]);
      assertEquals(status, 0, stdout);
      return stdout.trim();
    };

    await test.step("Stats are what the guest's cgroup says", async () => {
      await look("head -c 20000000 /dev/zero > /tmp/file"); // memory of the container, file by kind
      const cat = "cd /sys/fs/cgroup; cat memory.current memory.max pids.max cpu.stat memory.stat";
      const text = await look(cat);
      const { stats } = await task.stats({ id: "neighbour" });
      assertEquals(stats?.typeUrl, "io.containerd.cgroups.v1.Metrics"); // the host's form
      const metrics = fromBinary(MetricsV1Schema, stats?.value ?? new Uint8Array());
      const figure = (name: string): number =>
        Number(RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
      const [current] = text.split("\n").map(Number);
      const near = (found: bigint | undefined, expected: number, slack: number): void =>
        assert(Math.abs(Number(found) - expected) <= slack, `${found}, not ${expected}`);
      const { memory, cpu, pids } = metrics;
      near(memory?.usage?.usage, current ?? 0, 4 * MIB);
      assert(Number(memory?.usage?.usage) > 20_000_000);
      near(memory?.totalInactiveFile, figure("inactive_file"), MIB);
      assertEquals([memory?.usage?.limit, pids?.limit], [BigInt(128 * MIB), 200n]);
      assertEquals(pids?.current, 1n);
      const cpuNs = figure("usage_usec") * 1000;
      assert(Number(cpu?.usage?.total) >= cpuNs, `${cpu?.usage?.total} after ${cpuNs}`);
      near(cpu?.usage?.total, cpuNs, 20e9);
      assert((cpu?.usage?.kernel ?? 0n) + (cpu?.usage?.user ?? 0n) > 0n);
      await look("rm /tmp/file");
    });

    await test.step("one that eats its memory is killed, its neighbour lives on", async () => {
      const limits = { memory: { limit: 32 * MIB } };
      const spec = inPod(["sh", "-c", "tail /dev/zero"], { linux: { resources: limits } });
      const { code } = await runSpec(containerd, "greedy", spec);
      assertEquals(code, 137);
      const told = events.of("greedy");
      assert(told.indexOf("oom") >= 0 && told.indexOf("oom") < told.indexOf("exit"), told.join());
      assertEquals(await look("echo alive"), "alive");
      assert(!events.of("neighbour").includes("oom"));
    });

    await test.step("a fork bomb leaves shim and agent responsive, and can be killed", async () => {
      const bomb = "echo up; (f() { while :; do f & done; }; f) & exec sleep 100000";
      const spec = inPod(["sh", "-c", bomb], { linux: { resources: { pids: { limit: 64 } } } });
      const child = await start(containerd, "bomb", spec);
      assertEquals(await look("echo alive"), "alive");
      const times = [];
      for (let at = 0; at < 5; at++) {
        const since = performance.now();
        assertEquals((await task.state({ id: "bomb" })).status, Status.RUNNING);
        times.push(performance.now() - since);
      }
      assert(Math.max(...times) < 2_000, times.join());
      const { stats } = await task.stats({ id: "bomb" });
      const { pids } = fromBinary(MetricsV1Schema, stats?.value ?? new Uint8Array());
      assert((pids?.current ?? 0n) > 10n && (pids?.current ?? 0n) <= 64n, `${pids?.current}`);
      await task.kill({ id: "bomb", signal: 9, all: true });
      assertEquals((await child.ended).code, 137);
    });

    await test.step("Update makes the VM grow and shrink with the limits", async () => {
      const update = (json: unknown): Promise<unknown> =>
        task.update({
          id: "neighbour",
          resources: {
            typeUrl: RESOURCES_URL,
            value: new TextEncoder().encode(JSON.stringify(json)),
          },
        });
      const online = "cat /sys/devices/system/cpu/online";
      const total = async (): Promise<number> =>
        Number((await look("grep MemTotal /proc/meminfo")).replace(/\D/g, "")) / 1024;
      const first = await total();
      await update({ cpu: { quota: 100_000, period: 100_000 }, memory: { limit: 640 * MIB } });
      const hostCpus = navigator.hardwareConcurrency;
      assertEquals(await look(online), hostCpus > 1 ? "0-1" : "0");
      assertEquals(await look("cat /sys/fs/cgroup/memory.max"), `${640 * MIB}`);
      const grown = await total();
      assert(grown - first > 400, `${first} MiB, then ${grown}`);
      await update({ cpu: { quota: -1 }, memory: { limit: 128 * MIB } });
      const shrunk = await total();
      assert(grown - shrunk > 400, `${grown} MiB, then ${shrunk}`);
    });

    await test.step("what would need the host is refused at once", async () => {
      const namespaces = (...types: string[]): Record<string, unknown> => ({
        namespaces: types.map((type) => ({ type })),
      });
      const refused = async (linux: Record<string, unknown>, words: RegExp): Promise<void> => {
        const result = await runSpec(containerd, "host", specOf(rootfs, ["true"], { linux }));
        assertNotEquals(result.code, 0);
        assertMatch(result.stderr, words);
      };
      await refused(namespaces("mount", "pid", "ipc", "uts"), /host's network/);
      await refused(namespaces("mount", "network", "ipc", "uts"), /host's pid namespace/);
      await refused(namespaces("mount", "network", "pid", "uts"), /host's ipc namespace/);
      const joined = { type: "uts", path: "/proc/1/ns/uts" };
      await refused({ namespaces: [joined] }, /joins the uts namespace "\/proc\/1\/ns\/uts"/);
      await refused({ cgroupsPath: "/../../x" }, /cgroup path .* leads upwards/);
    });

    await test.step("the pod ends and leaves nothing", async () => {
      await task.kill({ id: "neighbour", signal: 9, all: true });
      await neighbour.ended;
      await containerd.ctrOutput(["task", "kill", "-s", "SIGKILL", POD]);
      await pod.ended;
    });
  }
  assertEquals(await leaks(before), []);
});
