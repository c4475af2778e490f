import { assertEquals } from "@std/assert";
import type { HostMount, ShareFs } from "../share_fs/share_fs.ts";
import { guestMounts, type MountContext } from "./guest_mounts.ts";

/** A context whose share notes what it is asked for; nothing else may be used. */
function context(shared: HostMount[]): MountContext {
  const share = {
    shareMount: (_id: string, mount: HostMount) => {
      shared.push(mount);
      return Promise.resolve("/guest/data");
    },
  } as Partial<ShareFs> as ShareFs;
  return {
    ...{ containerId: "c1", podId: "/pod", share, resources: {} },
    config: { runtime: { kubeletRootDir: "/var/lib/kubelet" } },
  } as unknown as MountContext;
}

Deno.test("guestMounts sends a host's bind through the share, with its rights", async () => {
  const shared: HostMount[] = [];
  const proc = { destination: "/proc", type: "proc", source: "proc" };
  const data = { destination: "/data", source: "/host/data", options: ["rbind", "rslave", "rro"] };
  const { mounts, storages } = await guestMounts(context(shared), [proc, data]);
  assertEquals(shared, [{
    ...{ source: "/host/data", destination: "/data", readonly: "all" },
    ...{ recursive: true, follows: true },
  }]);
  assertEquals(mounts[0], proc);
  const options = ["rbind", "rslave", "ro"];
  assertEquals(mounts[1], { ...data, type: "bind", source: "/guest/data", options });
  assertEquals(storages, []);
});

Deno.test("guestMounts takes the guest's own device for one of the kernel's", async () => {
  const null_ = { destination: "/etc/x", type: "bind", source: "/dev/null", options: ["bind"] };
  const { mounts } = await guestMounts(context([]), [null_]);
  assertEquals(mounts, [null_]);
});
