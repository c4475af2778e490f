import { log } from "../../common/base/log.ts";
import type { AgentService } from "../../common/protocol/gen/kata/agent_pb.ts";
import type { Client } from "../../common/protocol/ttrpc/service.ts";
import { CALL_TIMEOUT_MS } from "../agent_client/agent_link.ts";
import type { GuestLocation } from "../hypervisor/device.ts";
import type { Vm } from "../hypervisor/hypervisor.ts";
import {
  guestName,
  interfaceMessage,
  namesOf,
  neighborMessage,
  routeMessage,
} from "./guest_network.ts";
import type { PodLink } from "./pod_link.ts";
import type { NetworkScan } from "./scan.ts";

type Agent = Client<typeof AgentService>;

/** The guest, as its network needs it. */
export interface NetworkGuest {
  readonly agent: Pick<Agent, "updateInterface" | "updateRoutes" | "addARPNeighbors">;
  readonly vm: Pick<Vm, "attach" | "detach" | "locationOf">;
}

function pathOf(location: GuestLocation | undefined): string {
  return location?.kind === "pci" ? location.path : "";
}

/** An emulated guest on a busy host takes some milliseconds for each. */
function timeoutFor(routes: number): number {
  return CALL_TIMEOUT_MS + 20 * routes;
}

/** Text by which two messages can be compared. */
function textOf(message: unknown): string {
  return JSON.stringify(message, (_, value) => typeof value === "bigint" ? String(value) : value);
}

/** The guest's network cards: where they are, and what the guest was told last, so that only changes are told. */
export class GuestCards {
  readonly #paths = new Map<string, string>();
  readonly #told = new Map<string, string>();

  /** Plugs the card of an interface that has come. @throws {RuntimeError} */
  async plug({ vm }: NetworkGuest, { net }: PodLink): Promise<void> {
    this.#paths.set(net.id, pathOf(await vm.attach(net)));
  }

  /** Takes the card of an interface that has gone out; one that was there from the start stays, without addresses. */
  async unplug(
    { vm, agent }: NetworkGuest,
    { net, link }: PodLink,
    signal: AbortSignal,
  ): Promise<void> {
    const path = this.#paths.get(net.id);
    this.#paths.delete(net.id);
    this.#told.delete(net.id);
    if (path !== undefined) return await vm.detach(net.id);
    const gone = interfaceMessage({ link, addresses: [] }, pathOf(vm.locationOf(net.id)));
    await agent.updateInterface({ interface: gone }, { signal });
  }

  /** Tells the guest what it does not know yet. @throws What the agent says. */
  async tell(guest: NetworkGuest, scan: NetworkScan, signal: AbortSignal): Promise<void> {
    const { agent, vm } = guest, { interfaces, routes, neighbors } = scan;
    for (const each of interfaces) {
      const id = `net-${each.link.index}`;
      const path = this.#paths.get(id) ?? pathOf(vm.locationOf(id));
      const message = interfaceMessage(each, path);
      await this.#once(
        id,
        message,
        () => agent.updateInterface({ interface: message }, { signal }),
      );
    }
    const names = namesOf(interfaces);
    const Routes = routes.map((route) => routeMessage(route, names));
    await this.#once(
      "routes",
      Routes,
      () =>
        agent.updateRoutes({ routes: { Routes } }, {
          signal,
          timeoutMs: timeoutFor(routes.length),
        }),
    );
    const ARPNeighbors = neighbors.map((neighbor) => neighborMessage(neighbor, names));
    await this.#once(
      "neighbours",
      ARPNeighbors,
      () => agent.addARPNeighbors({ neighbors: { ARPNeighbors } }, { signal }),
    );
    log.debug("The guest has the pod's network", {
      interfaces: interfaces.map(({ link }) => guestName(link)).join(),
    });
  }

  /** Nothing at all need not be told to a guest that has nothing yet. */
  async #once(what: string, message: object, tell: () => Promise<unknown>): Promise<void> {
    const text = textOf(message);
    if (text === (this.#told.get(what) ?? "[]")) return;
    await tell();
    this.#told.set(what, text);
  }
}
