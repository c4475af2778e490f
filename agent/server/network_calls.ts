/** Calls about the guest's network; their code is loaded when called. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { AgentImpl } from "./agent_service.ts";

type Calls = Required<
  Pick<
    AgentImpl,
    | "updateInterface"
    | "updateRoutes"
    | "listInterfaces"
    | "listRoutes"
    | "addARPNeighbors"
    | "getIPTables"
    | "setIPTables"
  >
>;

export function networkCalls(): Calls {
  return {
    async updateInterface({ interface: wanted }) {
      const { updateInterface } = await import("../network/interfaces.ts");
      return await updateInterface(given(wanted, "interface"));
    },
    async updateRoutes({ routes }) {
      const { updateRoutes } = await import("../network/routes.ts");
      return { Routes: updateRoutes(given(routes, "routes").Routes) };
    },
    async listInterfaces() {
      const { listInterfaces } = await import("../network/interfaces.ts");
      return { Interfaces: listInterfaces() };
    },
    async listRoutes() {
      const { listRoutes } = await import("../network/routes.ts");
      return { Routes: listRoutes() };
    },
    async getIPTables({ isIpv6 }) {
      const { getRules } = await import("../network/iptables.ts");
      return { data: await getRules(isIpv6) };
    },
    async setIPTables({ isIpv6, data }) {
      const { setRules } = await import("../network/iptables.ts");
      return { data: await setRules(isIpv6, data) };
    },
    async addARPNeighbors({ neighbors }) {
      const { addNeighbors } = await import("../network/neighbors.ts");
      addNeighbors(given(neighbors, "neighbors").ARPNeighbors);
      return {};
    },
  };
}

function given<T>(value: T | undefined, what: string): T {
  if (value !== undefined) return value;
  throw new RuntimeError(Code.InvalidArgument, `The request names no ${what}`);
}
