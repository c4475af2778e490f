import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import type { OciSpec } from "./oci_types.ts";
import {
  guestSpec,
  knownVersion,
  namespacesFor,
  splitSysctls,
  unifiedResources,
} from "./spec_rules.ts";

const SPEC: OciSpec = {
  ociVersion: "1.0.2",
  process: {
    user: { uid: 0, gid: 0 },
    args: ["sh"],
    env: [],
    cwd: "/",
    oomScoreAdj: 0,
    apparmorProfile: "p",
    selinuxLabel: "l",
  },
  root: { path: "/rootfs" },
  hostname: "own",
  mounts: [],
  annotations: {
    "run.oci.keep_original_groups": "1",
    "org.criu.config": "/x",
    "io.kubernetes.x": "kept",
  },
  linux: {
    namespaces: [{ type: "network", path: "/proc/1/ns/net" }, {
      type: "pid",
      path: "/proc/1/ns/pid",
    }, { type: "time" }],
    sysctl: { "net.core.somaxconn": "1", "kernel.shmmax": "2" },
    cgroupsPath: "system.slice:kata:abc",
    mountLabel: "l",
    intelRdt: { l3CacheSchema: "x" },
  },
};
const NEW = { containerId: "abc", hostname: "pod", namespaces: {} };

Deno.test("guestSpec drops what steers crun or cannot be had in the guest", () => {
  const { spec, guestSysctls } = guestSpec(SPEC, NEW);
  assertEquals(spec.annotations, { "io.kubernetes.x": "kept" });
  assertEquals(spec.linux.sysctl, { "kernel.shmmax": "2" });
  assertEquals(guestSysctls, { "net.core.somaxconn": "1" });
  assertEquals(spec.linux.cgroupsPath, "/kata/abc");
  assertEquals([spec.process?.apparmorProfile, spec.process?.selinuxLabel], [undefined, undefined]);
  assertEquals([spec.linux.mountLabel, spec.linux.intelRdt], [undefined, undefined]);
  assertEquals(SPEC.process?.apparmorProfile, "p");
});

Deno.test("guestSpec denies every device that is not named", () => {
  const disk = { allow: true, type: "b", major: 8, minor: 0, access: "rwm" };
  for (const devices of [[], [{ allow: false, access: "rwm" }], [{ allow: false }, disk]]) {
    const given = { ...SPEC, linux: { ...SPEC.linux, resources: { devices } } };
    const [first, ...rest] = guestSpec(given, NEW).spec.linux.resources?.devices ?? [];
    assertEquals(first, { allow: false, access: "rwm" });
    assertEquals(rest, devices.filter((rule) => rule.allow));
  }
});

Deno.test("guestSpec sets the host name only where the namespace is made", () => {
  assertEquals(guestSpec(SPEC, NEW).spec.hostname, "pod");
  assertEquals(guestSpec(SPEC, { ...NEW, hostname: "" }).spec.hostname, "own");
  assertEquals(
    guestSpec(SPEC, { ...NEW, namespaces: { uts: "/ns/uts" } }).spec.hostname,
    undefined,
  );
});

Deno.test("guestSpec refuses a container without process or root", () => {
  assertThrows(() => guestSpec({ ...SPEC, root: { path: "" } }, NEW), RuntimeError, "root");
  const { process: _, ...without } = SPEC;
  assertThrows(() => guestSpec(without, NEW), RuntimeError, "process");
});

Deno.test("namespacesFor joins the pod's and ignores the host's paths", () => {
  assertEquals(namespacesFor(SPEC.linux.namespaces, { ipc: "/ns/ipc", uts: "/ns/uts" }), [
    { type: "mount" },
    { type: "cgroup" },
    { type: "ipc", path: "/ns/ipc" },
    { type: "uts", path: "/ns/uts" },
    { type: "pid" },
  ]);
  assertEquals(namespacesFor([{ type: "user" }], { pid: "/ns/pid" }).slice(-1), [{
    type: "pid",
    path: "/ns/pid",
  }]);
});

Deno.test("knownVersion hides from crun every version that it does not know", () => {
  const versions = ["1.0.2-dev", "1.1.0", "1.2.0", "1.3.0+dev", "1.10.1", "2.0.0", ""];
  assertEquals(
    versions.map(knownVersion),
    ["1.0.2-dev", ...Array(6).fill("1.1.0")],
  );
});

Deno.test("splitSysctls knows both ways to write a network setting", () => {
  const { guest, container } = splitSysctls({ "net.a": "1", "net/ipv4/b": "2", network: "3" });
  assertEquals([guest, container], [{ "net.a": "1", "net/ipv4/b": "2" }, { network: "3" }]);
});

Deno.test("unifiedResources keeps limits that cgroup v2 has", () => {
  const got = unifiedResources({
    memory: { limit: 1, kernel: 2, swappiness: 3, disableOOMKiller: true },
    cpu: { shares: 4, realtimePeriod: 5 },
    network: { classID: 6 },
    pids: { limit: 7 },
  });
  assertEquals(got, { memory: { limit: 1 }, cpu: { shares: 4 }, pids: { limit: 7 } });
});
