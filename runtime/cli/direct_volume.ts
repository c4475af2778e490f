import { replaceFile } from "../../common/base/replace_file.ts";
import { messageOf } from "../../common/base/errors.ts";
import { AgentService } from "../../common/protocol/gen/kata/agent_pb.ts";
import { VolumeUsage_Unit } from "../../common/protocol/gen/kata/volume_pb.ts";
import { TtrpcClient } from "../../common/protocol/ttrpc/client.ts";
import { createClient } from "../../common/protocol/ttrpc/service.ts";
import { directVolumeGuestPath } from "../sandbox/guest_volumes.ts";
import {
  DIRECT_VOLUMES,
  directVolumeFolder,
  parseMountInfo,
  readDirectVolume,
} from "../storage/direct_volume.ts";
import { allSandboxes } from "./find_sandbox.ts";
import { OciError } from "./oci/oci_error.ts";
import { askSandbox } from "./operator_socket.ts";
import { resizeVolume } from "./resize_volume.ts";

const USAGE =
  "usage: kata-runtime direct-volume add PATH JSON | remove PATH | stats PATH | resize PATH BYTES";
/** Verbs with an argument behind the path. */
const WITH_ARGUMENT = ["add", "resize"];

/** Longest wait for a guest's figures, in milliseconds. */
const STATS_MS = 10_000;

function absolute(path: string | undefined): string {
  if (path?.startsWith("/") && !path.includes("\0")) return path.replace(/(?<=.)\/+$/, "");
  throw new OciError(USAGE, 2);
}

/** Notes that the guest mounts the volume. Readers see all of it or nothing. */
function add(path: string, json: string, base: string): string {
  try {
    parseMountInfo(json);
  } catch (error) {
    throw new OciError(`Cannot use the volume's description: ${messageOf(error)}`, 2);
  }
  const folder = directVolumeFolder(path, base), file = `${folder}/mountInfo.json`;
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  replaceFile(file, json);
  return "";
}

/** Forgets it; a volume that is in use stays so. */
function remove(path: string, base: string): string {
  try {
    Deno.removeSync(directVolumeFolder(path, base), { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return "";
}

/** What the guest of a sandbox says of a path, or `undefined` when the volume is not in it. */
async function statsIn(sandbox: string, volumeGuestPath: string): Promise<unknown> {
  try {
    using client = new TtrpcClient(await askSandbox(sandbox, "agent"));
    const agent = createClient(AgentService, client, { timeoutMs: STATS_MS });
    const { usage } = await agent.getVolumeStats({ volumeGuestPath });
    return usage.map(({ unit, total, used, available }) => ({
      unit: VolumeUsage_Unit[unit]?.toLowerCase(),
      total: Number(total),
      used: Number(used),
      available: Number(available),
    }));
  } catch {
    return undefined; // another sandbox has it
  }
}

async function stats(path: string): Promise<string> {
  if (!readDirectVolume(path)) throw new OciError(`"${path}" is no direct-assigned volume`);
  const guestPath = await directVolumeGuestPath(path);
  for (const { key } of await allSandboxes()) {
    const usage = await statsIn(key, guestPath);
    if (usage) return JSON.stringify({ usage }, null, 2) + "\n";
  }
  throw new OciError(`No running sandbox has the volume "${path}"`);
}

/** `direct-volume add|remove|stats|resize`: volumes that the guest mounts instead of the host. Source: Kata's direct-volume. */
export async function directVolume(
  [verb = "", path, argument, surplus]: readonly string[],
  base = DIRECT_VOLUMES,
): Promise<string> {
  if (surplus !== undefined || (argument === undefined) === WITH_ARGUMENT.includes(verb)) {
    throw new OciError(USAGE, 2);
  }
  switch (verb) {
    case "add":
      return add(absolute(path), argument ?? "", base);
    case "remove":
      return remove(absolute(path), base);
    case "stats":
      return await stats(absolute(path));
    case "resize":
      return await resizeVolume(absolute(path), argument ?? "");
    default:
      throw new OciError(USAGE, 2);
  }
}
