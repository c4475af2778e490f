/** GetVolumeStats. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { statfs } from "../../common/linux/statfs.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import {
  type VolumeStatsResponseSchema,
  VolumeUsage_Unit as Unit,
} from "../../common/protocol/gen/kata/volume_pb.ts";

type Usage = NonNullable<MessageInitShape<typeof VolumeStatsResponseSchema>["usage"]>;

/** Bytes and inodes of the volume mounted at a path. @throws {RuntimeError} NotFound. */
export function volumeStats(path: string): Promise<Usage> {
  const use = useOf(path);
  return Promise.resolve([
    {
      unit: Unit.BYTES,
      total: use.totalBytes,
      used: use.totalBytes - use.freeBytes,
      available: use.availableBytes,
    },
    {
      unit: Unit.INODES,
      total: use.totalInodes,
      used: use.totalInodes - use.freeInodes,
      available: use.freeInodes,
    },
  ]);
}

function useOf(path: string): ReturnType<typeof statfs> {
  try {
    return statfs(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    throw new RuntimeError(Code.NotFound, `There is no volume ${JSON.stringify(path)}`);
  }
}
