import { log } from "../../../common/base/log.ts";
import type { OwnedFd } from "../../../common/linux/fd.ts";
import { vcpuThreads } from "../../hypervisor/vcpu_threads.ts";
import { type BundleConfig, isObject } from "../bundle.ts";
import { setCpusetFile } from "./cpuset_file.ts";
import { type CgroupPaths, cgroupPaths } from "./cgroup_path.ts";
import { hierarchies, type Hierarchy, makeCgroup, pathOf } from "./hierarchy.ts";
import { homeIn, openHome } from "./home.ts";
import { removeCgroups } from "./remove.ts";

/** Where the sandbox's processes go. */
export interface CgroupPlan extends CgroupPaths {
  /** All into the pod's; otherwise the VM's CPUs alone, and everything else is overhead. */
  readonly podOnly: boolean;
}

/** The plan for a sandbox, by its first container's bundle. @throws {RuntimeError} InvalidArgument: see cgroupPaths. */
export function planCgroups({ json }: BundleConfig, key: string, podOnly: boolean): CgroupPlan {
  const { linux } = json;
  return { ...cgroupPaths(isObject(linux) ? linux.cgroupsPath : undefined, key), podOnly };
}

/** The cgroups to be made, as names from the root of a hierarchy down: what a clean-up has to remove. */
export function cgroupsOf({ pod, overhead, podOnly }: CgroupPlan): (readonly string[])[] {
  return podOnly ? [pod] : [pod, overhead];
}

/** The sandbox's place in one hierarchy. */
interface Place {
  readonly hierarchy: Hierarchy;
  readonly pod: OwnedFd;
  /** Where the shim is, and whatever it starts. */
  readonly own: OwnedFd;
  readonly home: readonly string[];
}

/** Off this thread: moving a process waits for a grace period of the kernel's. */
async function move(id: number, cgroup: OwnedFd, file = "cgroup.procs"): Promise<void> {
  await Deno.writeTextFile(`${pathOf(cgroup)}/${file}`, `${id}`, { create: false });
}

/** Where the host lets nobody change a hierarchy, nothing can be counted there. Source: errno(3), EROFS. */
function isReadOnly(error: unknown): boolean {
  return error instanceof Error && /os error 30\b/.test(error.message);
}

/**
 * The cgroups on the host that a sandbox's processes live in. The shim enters first: whatever it starts follows. When
 * the sandbox is over the shim goes back to where it came from.
 */
export class SandboxCgroup implements AsyncDisposable {
  readonly #places: readonly Place[];
  readonly #plan: CgroupPlan;
  readonly #undo: AsyncDisposableStack;

  private constructor(
    plan: CgroupPlan,
    places: readonly Place[],
    undo: AsyncDisposableStack,
  ) {
    this.#plan = plan;
    this.#places = places;
    this.#undo = undo;
  }

  /** Makes the cgroups and moves this process there. @param root Where hierarchies are mounted. */
  static async enter(plan: CgroupPlan, root?: string): Promise<SandboxCgroup> {
    await using undo = new AsyncDisposableStack();
    undo.defer(() => removeCgroups(cgroupsOf(plan), root));
    const places = hierarchies(root).flatMap((hierarchy) => placeIn(hierarchy, plan, undo));
    undo.defer(() => goHome(places, Deno.pid));
    await Promise.all(places.map(({ own }) => move(Deno.pid, own)));
    return new SandboxCgroup(plan, places, undo.move());
  }

  /** Takes the VMM in, if it is not one of this process's since it entered, and counts its CPUs as the pod's. */
  async add(vmm: number): Promise<void> {
    await Promise.all(this.#places.map(({ own }) => move(vmm, own)));
    await this.addVcpus(vmm);
  }

  /**
   * Counts the VM's CPUs as the pod's, where not everything is. Version 2 cannot tell a process's threads apart, so
   * there the whole VMM goes. Source: cgroup-v2.rst, "Threads".
   */
  async addVcpus(vmm: number): Promise<void> {
    if (this.#plan.podOnly) return;
    const threads = vcpuThreads(vmm);
    const unified = this.#places.every(({ hierarchy }) => hierarchy.version === 2);
    for (const { pod, hierarchy } of this.#places) {
      if (unified) await move(vmm, pod);
      else if (hierarchy.version === 1) {
        await Promise.all(threads.map((id) => move(id, pod, "tasks")));
      }
    }
  }

  /**
   * Keeps the pod on these processors and memory nodes of the host; empty lists stand for its parent's.
   * @throws {RuntimeError} InvalidArgument: the parent does not have them.
   */
  async setCpuset(cpus: string, mems: string): Promise<void> {
    for (const { hierarchy, pod } of this.#places) {
      await setCpusetFile(hierarchy, pod, "cpuset.cpus", cpus);
      await setCpusetFile(hierarchy, pod, "cpuset.mems", mems);
    }
  }

  /** Moves a process that is to outlive the sandbox to where the shim came from. */
  async release(pid: number): Promise<void> {
    await goHome(this.#places, pid);
  }

  /** Goes back, and removes them with what is left in them. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}

function placeIn(hierarchy: Hierarchy, plan: CgroupPlan, undo: AsyncDisposableStack): Place[] {
  try {
    const pod = undo.use(makeCgroup(hierarchy, plan.pod));
    const own = plan.podOnly ? pod : undo.use(makeCgroup(hierarchy, plan.overhead));
    return [{ hierarchy, pod, own, home: homeIn(hierarchy) }];
  } catch (error) {
    if (!isReadOnly(error)) throw error;
    log.warn("Cgroups cannot be made", { hierarchy: hierarchy.root, reason: "it is read-only" });
    return [];
  }
}

async function goHome(places: readonly Place[], pid: number): Promise<void> {
  await Promise.all(places.map(async ({ hierarchy, home }) => {
    using folder = openHome(hierarchy, home);
    await move(pid, folder);
  }));
}
