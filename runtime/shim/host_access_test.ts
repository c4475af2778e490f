import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import type { Json, JsonObject } from "../sandbox/bundle.ts";
import { checkHostAccess } from "./host_access.ts";

function withNamespaces(...namespaces: Json[]): JsonObject {
  return { linux: { namespaces } };
}

const OWN = ["network", "pid", "ipc", "uts", "mount"].map((type) => ({ type }));

Deno.test("checkHostAccess refuses the host's namespaces for a pod, by Kubernetes' names", () => {
  const role = { kind: "sandbox", sandboxId: "p" } as const;
  checkHostAccess("p", role, withNamespaces(...OWN));
  for (const [type, name] of [["network", "hostNetwork"], ["pid", "hostPID"], ["ipc", "hostIPC"]]) {
    const others = OWN.filter((each) => each.type !== type);
    assertThrows(
      () => checkHostAccess("p", role, withNamespaces(...others)),
      RuntimeError,
      `${name}`,
    );
  }
});

Deno.test("checkHostAccess refuses the host's namespaces for a single container", () => {
  const role = { kind: "single", sandboxId: "c" } as const;
  checkHostAccess("c", role, withNamespaces(...OWN));
  for (const type of ["pid", "ipc"]) {
    const others = OWN.filter((each) => each.type !== type);
    assertThrows(
      () => checkHostAccess("c", role, withNamespaces(...others)),
      RuntimeError,
      `it asks for the host's ${type} namespace`,
    );
  }
});

Deno.test("checkHostAccess lets a pod's container name its pod's namespaces, not see the host's processes", () => {
  const namespaces = OWN.map((each) => ({ ...each, path: `/proc/42/ns/${each.type}` }));
  assertEquals(
    checkHostAccess("c", { kind: "member", sandboxId: "p" }, withNamespaces(...namespaces)),
    undefined,
  );
  const others = namespaces.filter(({ type }) => type !== "pid");
  assertThrows(
    () => checkHostAccess("c", { kind: "member", sandboxId: "p" }, withNamespaces(...others)),
    RuntimeError,
    "hostPID",
  );
});

Deno.test("checkHostAccess refuses a single container in another's namespaces, except the network's", () => {
  const role = { kind: "single", sandboxId: "c" } as const;
  const others = OWN.filter(({ type }) => type !== "network");
  checkHostAccess("c", role, withNamespaces(...others, { type: "network", path: "/run/netns/x" }));
  for (const type of ["pid", "ipc", "uts", "mount", "user"]) {
    const path = `/proc/42/ns/${type}`;
    assertThrows(
      () => checkHostAccess("c", role, withNamespaces({ type: "network" }, { type, path })),
      RuntimeError,
      path,
    );
  }
});

Deno.test("checkHostAccess refuses a single container that asks for the host's network, and says what to do", () => {
  const role = { kind: "single", sandboxId: "c" } as const;
  for (const config of [{}, withNamespaces({ type: "pid" })]) {
    assertThrows(
      () => checkHostAccess("c", role, config),
      RuntimeError,
      "--net-host, --network host), which a container in a VM cannot have; without that option",
    );
  }
});
