import type { QmpClient } from "./qmp.ts";
import { has } from "./release.ts";

/** Where a piece of the guest's memory comes from. */
export interface MemoryBackend {
  readonly id: string;
  readonly sizeMiB: number;
  /** Other processes read and write it too: those of vhost-user devices. */
  readonly shared: boolean;
  /** Take it from the host at once. */
  readonly prealloc?: boolean;
  /** False: the host need not have all of it; for memory that is given piece by piece. */
  readonly reserve?: boolean;
  /** From the host's pool of huge pages. */
  readonly hugePages?: boolean;
}

/** Memory of the VM of one kind, whatever its size. */
export type MemoryKind = Pick<MemoryBackend, "shared" | "hugePages">;

const MIB = 1024 * 1024;

function options({ shared, prealloc, reserve, hugePages }: MemoryBackend): Record<string, boolean> {
  return {
    ...(shared && { share: true }),
    ...(hugePages && { hugetlb: true }),
    ...(prealloc && { prealloc: true }),
    ...(reserve === false && { reserve: false }),
  };
}

function typeOf({ shared, hugePages }: MemoryBackend): string {
  return shared || hugePages ? "memory-backend-memfd" : "memory-backend-ram";
}

/** As the value of `-object`. */
export function backendArgument(backend: MemoryBackend): string {
  const { share, ...rest } = options(backend);
  const on = share ? ",share=on" : "";
  const words = Object.entries(rest).map(([name, is]) => `,${name}=${is ? "on" : "off"}`);
  return `${typeOf(backend)}${on},id=${backend.id},size=${backend.sizeMiB}M${words.join("")}`;
}

/** Gives it to a running QEMU. */
export async function addBackend(qmp: QmpClient, backend: MemoryBackend): Promise<void> {
  const members = { size: backend.sizeMiB * MIB, ...options(backend) };
  const flat = has(await qmp.version(), "flat objects");
  const object = { "qom-type": typeOf(backend), id: backend.id };
  await qmp.execute(
    "object-add",
    flat ? { ...object, ...members } : { ...object, props: members },
  );
}
