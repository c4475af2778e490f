/** Calls about the guest's machine. None is on the way of a start, so their code is loaded when called. */
import { FORWARD_FEATURE } from "../../common/protocol/transport/forward.ts";
import { NAMES_FEATURE } from "../../common/protocol/transport/names.ts";
import type { AgentImpl } from "./agent_service.ts";
import { bootTimeMs } from "../../common/linux/clock.ts";
import { AGENT_VERSION, type Guest } from "./guest.ts";
import { PROCESS_LIST } from "./process_calls.ts";
import type { Step } from "./timeline.ts";

type Calls = Required<
  Pick<
    AgentImpl,
    | "getGuestDetails"
    | "getMetrics"
    | "copyFile"
    | "setGuestDateTime"
    | "reseedRandomDev"
    | "onlineCPUMem"
    | "getVolumeStats"
    | "resizeVolume"
  >
>;

/** Stdio by connections of their own to STREAM_PORT, see stream_table.ts; a list of processes, see process_calls.ts. */
const EXTRA_FEATURES = [
  "kata-deno/stdio-streams",
  PROCESS_LIST,
  FORWARD_FEATURE,
  NAMES_FEATURE,
];
const NS_PER_US = 1000n;

export function guestCalls(guest: Guest): Calls {
  return {
    async getGuestDetails(request) {
      const memory = await import("../device/guest_memory.ts");
      return {
        memBlockSizeBytes: request.memBlockSize ? await memory.memoryBlockBytes() : 0n,
        supportMemHotplugProbe: request.memHotplugProbe && await memory.needsMemoryProbe(),
        agentDetails: await agentDetails(guest),
      };
    },
    async getMetrics() {
      const { metricsText } = await import("./metrics.ts");
      return { metrics: await metricsText(guest) };
    },
    async copyFile(request) {
      const { copyFile } = await import("../storage/copy_file.ts");
      await copyFile(guest.paths.shared, request);
      return {};
    },
    async setGuestDateTime({ Sec, Usec }) {
      const { setSystemTime } = await import("../../common/linux/clock.ts");
      setSystemTime(Sec, Usec * NS_PER_US);
      return {};
    },
    async reseedRandomDev({ data }) {
      const { addEntropy } = await import("../../common/linux/random.ts");
      addEntropy(data);
      return {};
    },
    async onlineCPUMem({ wait, nbCpus, cpuOnly }) {
      const { onlineResources } = await import("../device/online.ts");
      await onlineResources(wait ? nbCpus : 0, cpuOnly);
      return {};
    },
    async getVolumeStats({ volumeGuestPath }) {
      const { volumeStats } = await import("../storage/volume_stats.ts");
      return { usage: await volumeStats(volumeGuestPath) };
    },
    async resizeVolume({ volumeGuestPath, size }) {
      const { resizeVolume } = await import("../storage/resize_volume.ts");
      const { refreshedDiskBytes } = await import("../device/disk_size.ts");
      await resizeVolume(volumeGuestPath, size, refreshedDiskBytes);
      return {};
    },
  };
}

async function agentDetails({ timeline }: Guest): Promise<{
  version: string;
  initDaemon: boolean;
  deviceHandlers: string[];
  storageHandlers: string[];
  supportsSeccomp: boolean;
  extraFeatures: string[];
}> {
  const { STORAGE_DRIVERS } = await import("../storage/handlers.ts");
  return {
    version: AGENT_VERSION,
    initDaemon: Deno.pid === 1,
    deviceHandlers: ["blk", "mmioblk", "scsi"],
    storageHandlers: [...STORAGE_DRIVERS],
    supportsSeccomp: await exists("/proc/sys/kernel/seccomp/actions_avail"),
    extraFeatures: [...EXTRA_FEATURES, bootSteps(timeline.steps, bootTimeMs())],
  };
}

/**
 * When the steps of the boot were over, and when this is told, in milliseconds since the guest's kernel started:
 * enough for the host to put them on its own clock. A feature that names itself costs no call of its own.
 */
function bootSteps(steps: readonly Step[], nowMs: number): string {
  const pairs = [...steps, { name: "now", atMs: nowMs }].map(({ name, atMs }) =>
    `${name}=${atMs.toFixed(1)}`
  );
  return `kata-deno/boot-steps ${pairs.join(" ")}`;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
