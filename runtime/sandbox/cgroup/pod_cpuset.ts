import { isObject, type JsonObject } from "../bundle.ts";
import { formatCpuList, parseCpuList } from "./cpu_list.ts";
import type { SandboxCgroup } from "./sandbox_cgroup.ts";

/** Processors and memory nodes of the host, as numbers. */
interface Cpuset {
  readonly cpus: readonly number[];
  readonly mems: readonly number[];
}

function cpusetOf({ cpu }: JsonObject, before: Cpuset | undefined): Cpuset {
  const { cpus, mems } = isObject(cpu) ? cpu : {};
  const read = (value: unknown, old: readonly number[] = []): readonly number[] =>
    typeof value === "string" && value !== "" ? parseCpuList(value) : old;
  return { cpus: read(cpus, before?.cpus), mems: read(mems, before?.mems) };
}

/**
 * Keeps the VM on the processors that its containers may use together: they name the host's, which mean nothing in the
 * guest. Those that name none do not count. Source: Kata's getSandboxCPUSet.
 */
export class PodCpuset {
  readonly #containers = new Map<string, Cpuset>();
  #applied = ";";

  /**
   * Takes over what a container's `linux.resources` say; what they do not name stays as it was.
   * @throws {RuntimeError} InvalidArgument: no list of processors, or none that the host's cgroup has.
   */
  async change(
    cgroup: SandboxCgroup | undefined,
    id: string,
    resources: JsonObject,
  ): Promise<void> {
    const own = cpusetOf(resources, this.#containers.get(id));
    const all = [...new Map(this.#containers).set(id, own).values()];
    const cpus = formatCpuList(all.flatMap((each) => each.cpus));
    const mems = formatCpuList(all.flatMap((each) => each.mems));
    const lists = `${cpus};${mems}`;
    if (this.#applied !== lists) await cgroup?.setCpuset(cpus, mems);
    this.#applied = lists;
    this.#containers.set(id, own);
  }

  /** A container is gone; its processors go with the next change. */
  remove(id: string): void {
    this.#containers.delete(id);
  }
}
