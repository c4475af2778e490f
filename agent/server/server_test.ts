import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AgentService } from "../../common/protocol/gen/kata/agent_pb.ts";
import { agentService } from "./agent_service.ts";
import { Guest } from "./guest.ts";
import { metricsText } from "./metrics.ts";
import { parseAgentOptions } from "./options.ts";
import { parseTimeline, Timeline } from "./timeline.ts";
import { GUEST_PATHS } from "../container/paths.ts";

Deno.test("parseAgentOptions reads Kata's names and ignores the rest", () => {
  const options = parseAgentOptions(
    "quiet agent.log=warning agent.transport=serial agent.hotplug_timeout=20 root=/dev/vda\n",
  );
  assertEquals(options, {
    logLevel: "warn",
    transport: "serial",
    hotplugTimeoutMs: 20_000,
    debugConsole: false,
    pipeBytes: 0,
  });
  const defaults = {
    logLevel: "info" as const,
    transport: undefined,
    hotplugTimeoutMs: undefined,
    debugConsole: false,
    pipeBytes: 0,
  };
  assertEquals(
    parseAgentOptions("agent.log=constructor agent.transport=tcp agent.hotplug_timeout=-1"),
    defaults,
  );
  fc.assert(
    fc.property(
      fc.string(),
      (line) => ["debug", "info", "warn", "error"].includes(parseAgentOptions(line).logLevel),
    ),
  );
});

Deno.test("parseTimeline reads what /init tells", () => {
  assertEquals(parseTimeline("init=812.1 agent=906"), [{ name: "init", atMs: 812.1 }, {
    name: "agent",
    atMs: 906,
  }]);
  fc.assert(
    fc.property(
      fc.string(),
      (text) => parseTimeline(text).every(({ atMs }) => Number.isFinite(atMs)),
    ),
  );
});

Deno.test("metricsText tells the steps of the start", async () => {
  const timeline = new Timeline("init=1500");
  timeline.mark("ready");
  const text = await metricsText(new Guest(GUEST_PATHS, timeline));
  assert(text.includes('kata_agent_start_step_seconds{step="init"} 1.5\n'), text);
  assert(/^# TYPE kata_guest_meminfo gauge$/m.test(text));
  for (const line of text.trimEnd().split("\n")) {
    assert(/^(# |[a-z_]+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [\d.e-]+$)/.test(line), line);
  }
});

Deno.test("agentService answers the calls that a runtime makes", () => {
  const service = agentService(new Guest());
  const missing = Object.keys(AgentService.method).filter((name) => !(name in service));
  assertEquals(missing.sort(), [
    "addSwap",
    "addSwapPath",
    "memAgentCompactSet",
    "memAgentMemcgSet",
    "memHotplugByProbe",
    "removeStaleVirtiofsShareMounts",
    "setPolicy",
    "updateEphemeralMounts",
  ]);
});

Deno.test("parseAgentOptions takes a debug console with and without a value", () => {
  assertEquals(parseAgentOptions("agent.debug_console").debugConsole, true);
  assertEquals(parseAgentOptions("agent.debug_console=true").debugConsole, true);
  assertEquals(parseAgentOptions("agent.debug_console=false").debugConsole, false);
  const size = (value: string): number =>
    parseAgentOptions(`agent.container_pipe_size=${value}`).pipeBytes;
  assertEquals(["8192", "-1", "1e6", "9999999999", ""].map(size), [8192, 0, 0, 0, 0]);
});
