import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RuntimeError } from "../../common/base/errors.ts";
import { type JsonObject, parseBundle } from "./bundle.ts";
import { guestSpec } from "./guest_spec.ts";

function bundle(extra: JsonObject): ReturnType<typeof parseBundle> {
  return parseBundle(
    JSON.stringify({ ociVersion: "1.0.2", root: { path: "rootfs" }, ...extra }),
    "/b",
  );
}

const PARTS = { rootfs: "/r", seccomp: true, mounts: [] };

Deno.test("guestSpec keeps what is the container's own", () => {
  const spec = guestSpec(
    bundle({
      process: {
        args: ["sh", "-c", "true"],
        cwd: "/",
        user: { uid: 7, gid: 8, additionalGids: [9] },
        capabilities: { bounding: ["CAP_KILL"] },
        rlimits: [{
          type: "RLIMIT_NOFILE",
          hard: 18446744073709552000,
          soft: 1024,
        }],
        oomScoreAdj: -5,
      },
      linux: {
        resources: { memory: { limit: 1048576 }, pids: { limit: 10 } },
        maskedPaths: ["/proc/kcore"],
      },
    }),
    { ...PARTS, rootfs: "/guest/rootfs" },
  );
  assertEquals(spec.Version, "1.0.2");
  assertEquals(spec.Root?.Path, "/guest/rootfs");
  assertEquals(spec.Process?.Args, ["sh", "-c", "true"]);
  assertEquals(spec.Process?.User?.UID, 7);
  assertEquals(spec.Process?.User?.AdditionalGids, [9]);
  assertEquals(spec.Process?.Rlimits[0]?.Hard, 2n ** 64n - 1n);
  assertEquals(spec.Process?.OOMScoreAdj, -5n);
  assertEquals(spec.Linux?.Resources?.Memory?.Limit, 1048576n);
  assertEquals(spec.Linux?.MaskedPaths, ["/proc/kcore"]);
});

Deno.test("guestSpec leaves the host's hooks, namespaces and devices behind", () => {
  const spec = guestSpec(
    bundle({
      hooks: { prestart: [{ path: "/bin/evil" }] },
      annotations: { "run.oci.handler": "krun", "io.kubernetes.pod": "p" },
      linux: {
        namespaces: [{ type: "pid", path: "/proc/7/ns/pid" }, {
          type: "network",
        }, { type: "cgroup" }],
        resources: {
          devices: [{ allow: true, access: "rwm" }],
          network: { classID: 1 },
        },
        seccomp: { defaultAction: "SCMP_ACT_ALLOW" },
      },
    }),
    { ...PARTS, seccomp: false },
  );
  assertEquals(spec.Hooks, undefined);
  assertEquals(spec.Annotations, { "io.kubernetes.pod": "p" });
  assertEquals(
    spec.Linux?.Namespaces.map((entry) => [entry.Type, entry.Path]),
    [["pid", ""]],
  );
  assertEquals(spec.Linux?.Resources?.Devices.map(({ Type }) => Type), ["c"]); // privileged: not the disks
  assertEquals(spec.Linux?.Seccomp, undefined);
});

Deno.test("guestSpec keeps rules about character devices, and only disks that were given", () => {
  const disk = { path: "/dev/a", type: "b", major: 8, minor: 1 };
  const own = { allow: true, type: "b", major: 8, minor: 1, access: "rw" };
  const fuse = { allow: true, type: "c", major: 10, minor: 229, access: "rwm" };
  const devices = [disk, { ...disk, path: "/dev/b", minor: 2 }];
  const rules = [{ allow: false, access: "rwm" }, own, fuse, { allow: true, access: "rwm" }];
  const linux = { devices, resources: { devices: rules } };
  const spec = guestSpec(bundle({ linux }), PARTS);
  assertEquals(spec.Linux?.Devices.map(({ Path }) => Path), ["/dev/a"]);
  assertEquals(spec.Linux?.Resources?.Devices.map(({ Type }) => Type), ["c", "c"]);
});

Deno.test("guestSpec names the key whose value has the wrong type", () => {
  const config = bundle({ process: { args: [1] } });
  assertThrows(
    () => guestSpec(config, PARTS),
    RuntimeError,
    "process.args[0] is not a string",
  );
});

Deno.test("guestSpec either converts or refuses, whatever the JSON", () => {
  const json = fc.dictionary(
    fc.constantFrom("process", "linux", "mounts", "hostname", "hooks"),
    fc.jsonValue(),
  );
  fc.assert(fc.property(json, (extra) => {
    try {
      guestSpec(bundle(extra as JsonObject), PARTS);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
  }));
});
