/** Calls about the sandbox as a whole. */
import type { CreateSandboxRequest } from "../../common/protocol/gen/kata/agent_pb.ts";
import { sethostname } from "../../common/linux/system.ts";
import { renewMachineId } from "../device/machine_id.ts";
import type { AgentImpl } from "./agent_service.ts";
import type { Guest } from "./guest.ts";

type Calls = Required<Pick<AgentImpl, "createSandbox" | "destroySandbox">>;

export function sandboxCalls(guest: Guest): Calls {
  return {
    async createSandbox(request) {
      await createSandbox(guest, request);
      return {};
    },
    async destroySandbox() {
      await guest.destroy();
      return {};
    },
  };
}

async function createSandbox(guest: Guest, request: CreateSandboxRequest): Promise<void> {
  guest.sandbox = {
    id: request.sandboxId,
    sharePid: request.sandboxPidns,
    guestHookPath: request.guestHookPath,
  };
  await Deno.mkdir(guest.paths.shared, { recursive: true });
  if (request.kernelModules.length > 0) {
    const { loadModules } = await import("../device/kernel_modules.ts");
    await loadModules(request.kernelModules);
  }
  if (guest.paths.ownsMachine) await renewMachineId(guest.paths.scratch);
  if (request.hostname) {
    guest.pod.hostname = request.hostname;
    sethostname(request.hostname);
  }
  await guest.storages.add(request.storages);
  if (request.dns.length > 0) {
    const { setDns } = await import("../network/dns.ts");
    await setDns(request.dns, `${guest.paths.run}/sandbox`);
  }
}
