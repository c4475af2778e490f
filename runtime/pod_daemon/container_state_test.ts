import { assertEquals } from "@std/assert";
import { processStartTime } from "../../common/linux/process.ts";
import {
  type ContainerState,
  listContainerStates,
  loadContainerState,
  saveContainerState,
} from "./container_state.ts";

function state(id: string, more: Partial<ContainerState> = {}): ContainerState {
  return {
    ociVersion: "1.0.2",
    id,
    status: "running",
    pid: Deno.pid,
    startTime: processStartTime(Deno.pid),
    bundle: "/b",
    rootfs: "/b/rootfs",
    created: "2026-01-02T03:04:05.678Z",
    annotations: {},
    owner: "root",
    sandboxId: id,
    cgroup: [],
    ...more,
  };
}

Deno.test("loadContainerState believes the file only while the process lives", () => {
  const root = Deno.makeTempDirSync();
  for (const id of ["a", "b", "c"]) Deno.mkdirSync(`${root}/${id}`);
  saveContainerState(root, state("a"));
  saveContainerState(root, state("b", { startTime: 1 })); // the pid is somebody else's now
  assertEquals(loadContainerState(root, "a")?.status, "running");
  assertEquals(loadContainerState(root, "b")?.status, "stopped");
  assertEquals(loadContainerState(root, "c"), undefined);
  assertEquals(loadContainerState(root, "none"), undefined);
  assertEquals(listContainerStates(root).map(({ id }) => id), ["a", "b"]);
  Deno.removeSync(root, { recursive: true });
});

Deno.test("saveContainerState does nothing once the container is deleted; there need be no root", () => {
  const root = Deno.makeTempDirSync();
  saveContainerState(root, state("gone"));
  assertEquals(listContainerStates(root), []);
  Deno.removeSync(root, { recursive: true });
  assertEquals(listContainerStates(root), []);
});
