import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseBundle } from "./bundle.ts";
import { hostSize, limitsOf, vmSize, workloadOf, workloadOfPod } from "./vm_size.ts";

const CONFIG = { defaultVcpus: 1, defaultMaxvcpus: 0, defaultMemory: 256, defaultMaxmemory: 0 };
const CPUS = fc.double({ min: 0, max: 1e6, noNaN: true });
const HOST = { cpus: 8, memoryMiB: 16384 };

function bundle(annotations: Record<string, string>, resources: object): ReturnType<
  typeof parseBundle
> {
  const json = { ociVersion: "1.0.2", root: { path: "r" }, annotations, linux: { resources } };
  return parseBundle(JSON.stringify(json), "/b");
}

Deno.test("workloadOfPod prefers the pod's annotations to the container's own limits", () => {
  const resources = { cpu: { quota: 50_000, period: 100_000 }, memory: { limit: 64 << 20 } };
  assertEquals(workloadOfPod(bundle({}, resources)), { vcpus: 0.5, memoryMiB: 64 });
  const annotations = {
    "io.kubernetes.cri.sandbox-cpu-quota": "250000",
    "io.kubernetes.cri.sandbox-cpu-period": "100000",
    "io.kubernetes.cri.sandbox-memory": "1073741824",
  };
  assertEquals(workloadOfPod(bundle(annotations, resources)), { vcpus: 2.5, memoryMiB: 1024 });
});

Deno.test("workloadOfPod takes absent, negative, endless and unreadable limits for none", () => {
  const none = { vcpus: 0, memoryMiB: 0 };
  assertEquals(workloadOfPod(bundle({}, {})), none);
  const resources = { cpu: { quota: -1, period: 100_000 }, memory: { limit: 9223372036854771712 } };
  assertEquals(workloadOfPod(bundle({}, resources)), none);
  assertEquals(workloadOfPod(bundle({ "io.kubernetes.cri.sandbox-memory": "much" }, {})), none);
});

Deno.test("limitsOf keeps what an update does not name", () => {
  const before = limitsOf({ cpu: { quota: 50_000, period: 50_000 }, memory: { limit: 1 << 20 } });
  assertEquals(workloadOf(limitsOf({ cpu: { quota: 100_000 } }, before)), {
    vcpus: 2,
    memoryMiB: 1,
  });
  assertEquals(workloadOf(limitsOf({ cpu: { quota: -1 }, memory: { limit: 2 << 20 } }, before)), {
    vcpus: 0,
    memoryMiB: 2,
  });
  assertEquals(workloadOf(limitsOf({ cpu: { quota: 150_000 } })).vcpus, 1.5);
});

Deno.test("vmSize adds the workload to the guest's own share, within the maxima", () => {
  assertEquals(vmSize(CONFIG, { vcpus: 0, memoryMiB: 0 }, HOST), {
    vcpus: 1,
    maxVcpus: 8,
    memoryMiB: 256,
    maxMemoryMiB: 16384,
  });
  const size = vmSize(CONFIG, { vcpus: 2.5, memoryMiB: 1024 }, HOST);
  assertEquals([size.vcpus, size.memoryMiB], [4, 1280]);
  const bounded = vmSize({ ...CONFIG, defaultMaxvcpus: 2, defaultMaxmemory: 512 }, {
    vcpus: 16,
    memoryMiB: 4096,
  }, HOST);
  assertEquals([bounded.vcpus, bounded.memoryMiB], [2, 512]);
});

Deno.test("vmSize: whatever the limits, the VM has whole CPUs and no more than its maxima", () => {
  fc.assert(fc.property(CPUS, fc.nat(), (vcpus, memoryMiB) => {
    const size = vmSize(CONFIG, { vcpus, memoryMiB }, hostSize());
    assert(Number.isInteger(size.vcpus) && size.vcpus >= 1 && size.vcpus <= size.maxVcpus);
    assert(size.memoryMiB >= 256 && size.memoryMiB <= size.maxMemoryMiB);
  }));
});
