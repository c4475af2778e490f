/** Driver "ephemeral": memory of the guest, as tmpfs or as huge pages. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { mountWithOptions } from "../../common/linux/mount.ts";
import { groupOf, setGroup } from "./fs_group.ts";
import type { StorageRequest } from "./handlers.ts";

export async function mountEphemeral(storage: StorageRequest, point: string): Promise<void> {
  if (storage.fstype === "hugetlbfs") await reserveHugePages(storage.options);
  await Deno.mkdir(point, { recursive: true });
  const group = groupOf(storage);
  const plain = storage.options.filter((option) => !option.startsWith("fsgid="));
  mountWithOptions(storage.source || "tmpfs", point, storage.fstype || "tmpfs", plain);
  if (group !== undefined) await setGroup(point, group);
}

/** Asks the kernel for the pages that `pagesize=2M,size=…` (size in bytes) needs. */
async function reserveHugePages(options: readonly string[]): Promise<void> {
  const value = (key: string): string | undefined =>
    options.find((option) => option.startsWith(`${key}=`))?.slice(key.length + 1);
  const pageBytes = parseSize(value("pagesize"));
  const pages = Math.ceil(parseSize(value("size")) / pageBytes);
  const file = `/sys/kernel/mm/hugepages/hugepages-${pageBytes / 1024}kB/nr_hugepages`;
  const before = Number(await Deno.readTextFile(file));
  await Deno.writeTextFile(file, String(before + pages), { create: false });
  const got = Number(await Deno.readTextFile(file)) - before;
  if (got >= pages) return;
  throw new RuntimeError(
    Code.ResourceExhausted,
    `The guest has memory for ${got} of ${pages} huge pages of ${pageBytes} bytes`,
  );
}

/** Bytes of "2M", "1G" or "4096". @throws {RuntimeError} InvalidArgument. */
export function parseSize(text: string | undefined): number {
  const match = /^([1-9]\d{0,14})([KMG]?)i?B?$/i.exec(text ?? "");
  if (!match) {
    throw new RuntimeError(Code.InvalidArgument, `${JSON.stringify(text ?? "")} is not a size`);
  }
  const unit = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[(match[2] ?? "").toUpperCase()] ?? 1;
  return Number(match[1]) * unit;
}
