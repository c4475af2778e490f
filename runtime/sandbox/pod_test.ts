import type { JsonObject } from "./bundle.ts";
import { assertEquals } from "@std/assert";
import { pidNamespace, type PodRole, podRole } from "./pod.ts";

Deno.test("podRole follows containerd's and CRI-O's annotations", () => {
  assertEquals(podRole("c", { "io.kubernetes.cri.container-type": "sandbox" }), {
    kind: "sandbox",
    sandboxId: "c",
  });
  assertEquals(
    podRole("c", {
      "io.kubernetes.cri.container-type": "container",
      "io.kubernetes.cri.sandbox-id": "p",
    }),
    { kind: "member", sandboxId: "p" },
  );
  assertEquals(
    podRole("c", {
      "io.kubernetes.cri-o.ContainerType": "container",
      "io.kubernetes.cri-o.SandboxID": "p",
    }),
    { kind: "member", sandboxId: "p" },
  );
});

Deno.test("podRole takes a container without a pod for itself", () => {
  assertEquals(podRole("c", {}), { kind: "single", sandboxId: "c" });
  assertEquals(podRole("c", { "io.kubernetes.cri.container-type": "container" }), {
    kind: "single",
    sandboxId: "c",
  });
});

Deno.test("pidNamespace: the pod's, its own, or another container's by that one's pid", () => {
  const pid = (path?: string): JsonObject => ({
    linux: { namespaces: [{ type: "pid", ...(path ? { path } : {}) }] },
  });
  const member = { kind: "member", sandboxId: "p" } as const;
  const containers = new Map([[42, "p"], [43, "c1"]]);
  const of = (role: PodRole, config: JsonObject): unknown =>
    pidNamespace(role, config, (pid) => containers.get(pid));
  assertEquals(of({ kind: "sandbox", sandboxId: "p" }, pid()), { of: "pod" });
  assertEquals(of(member, pid("/proc/42/ns/pid")), { of: "pod" });
  assertEquals(of(member, pid("/proc/43/ns/pid")), { of: "container", id: "c1" });
  assertEquals(of(member, pid("/var/run/pidns/1234")), { of: "pod" });
  assertEquals(of(member, pid()), { of: "itself" });
  assertEquals(of({ kind: "single", sandboxId: "c" }, pid()), { of: "itself" });
});
