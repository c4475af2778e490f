/** Kata's AgentService and Health as plain objects: which wire carries them is not known here. */
import type { AgentService } from "../../common/protocol/gen/kata/agent_pb.ts";
import {
  type Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../common/protocol/gen/kata/health_pb.ts";
import type { ServiceImpl } from "../../common/protocol/ttrpc/service.ts";
import { containerCalls } from "./container_calls.ts";
import { AGENT_VERSION, API_VERSION, type Guest } from "./guest.ts";
import { guestCalls } from "./guest_calls.ts";
import { networkCalls } from "./network_calls.ts";
import { processCalls } from "./process_calls.ts";
import { sandboxCalls } from "./sandbox_calls.ts";

export type AgentImpl = ServiceImpl<typeof AgentService>;

/** All calls that this agent answers; the others of the 42 are Unimplemented. */
export function agentService(guest: Guest): AgentImpl {
  return {
    ...sandboxCalls(guest),
    ...containerCalls(guest),
    ...processCalls(guest),
    ...guestCalls(guest),
    ...networkCalls(),
  };
}

export function healthService(): ServiceImpl<typeof Health> {
  return {
    check: () => Promise.resolve({ status: Status.SERVING }),
    version: () => Promise.resolve({ grpcVersion: API_VERSION, agentVersion: AGENT_VERSION }),
  };
}
