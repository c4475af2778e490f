import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import {
  type BundleConfig,
  isObject,
  type JsonObject,
  networkNamespaceOf,
  readBundle,
} from "../sandbox/bundle.ts";
import { removeCgroups } from "../sandbox/cgroup/remove.ts";
import { containerCgroup, enterCgroup, withVmBelow } from "./container_cgroup.ts";

/** What the pod's daemon knows of a container besides what its sandbox does. */
interface Known {
  readonly config: BundleConfig;
  readonly cgroup: readonly string[];
}

/** A namespace that the bundle asks for and does not name is the relay's. */
function withNetns(json: JsonObject, relay: number): JsonObject {
  const linux = isObject(json.linux) ? json.linux : {};
  if (networkNamespaceOf(json) !== undefined || !Array.isArray(linux.namespaces)) return json;
  const namespaces = linux.namespaces.map((each) =>
    isObject(each) && each.type === "network" ? { ...each, path: `/proc/${relay}/ns/net` } : each
  );
  return { ...json, linux: { ...linux, namespaces } };
}

/** The pod's containers: their configurations as the sandbox shall see them, and their cgroups on the host. */
export class PodContainers {
  readonly #known = new Map<string, Known>();

  /** Reads a bundle and puts the relay where engines look for the container. @throws {RuntimeError} */
  async prepare(id: string, bundle: string, relay: number | undefined): Promise<BundleConfig> {
    const config = await readBundle(bundle);
    const known = { config, cgroup: containerCgroup(config.json, id) };
    this.#known.set(id, known);
    await this.admit(id, relay);
    const json = withVmBelow(relay === undefined ? config.json : withNetns(config.json, relay), id);
    this.#known.set(id, { ...known, config: { ...config, json } });
    return config;
  }

  /** Puts a relay into the container's cgroup. */
  async admit(id: string, relay: number | undefined): Promise<void> {
    const known = this.#known.get(id);
    if (known && relay !== undefined) await enterCgroup(known.cgroup, relay);
  }

  configOf(id: string): BundleConfig | undefined {
    return this.#known.get(id)?.config;
  }

  cgroupOf(id: string): readonly string[] {
    return this.#known.get(id)?.cgroup ?? [];
  }

  /** Removes the container's cgroup; that of the pod's first container may still hold the VM. */
  async remove(id: string): Promise<void> {
    const known = this.#known.get(id);
    if (!known) return;
    try {
      await removeCgroups([known.cgroup]);
      this.#known.delete(id);
    } catch (error) {
      log.warn("A cgroup is in use", { container: id, reason: messageOf(error) });
    }
  }

  /** Removes what is left, once the VM is gone. */
  async removeAll(): Promise<void> {
    for (const id of [...this.#known.keys()]) await this.remove(id);
  }
}
