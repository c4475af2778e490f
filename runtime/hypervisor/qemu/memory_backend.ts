import type { QmpClient } from "./qmp.ts";

/** Where a piece of the guest's memory comes from. */
export interface MemoryBackend {
  readonly id: string;
  readonly sizeMiB: number;
  /** Other processes read and write it too: those of vhost-user devices. */
  readonly shared: boolean;
  /** Of the host's huge pages, which must be free. */
  readonly hugepages?: boolean;
  /** Take it from the host at once. */
  readonly prealloc?: boolean;
  /** False: the host need not have all of it; for memory that is given piece by piece. */
  readonly reserve?: boolean;
}

const MIB = 1024 * 1024;
/** From here on the members of an object are not nested. Source: QEMU, docs/about/removed-features. */
const FLAT_OBJECTS = 6;

function options({ shared, hugepages, prealloc, reserve }: MemoryBackend): Record<string, boolean> {
  return {
    ...(shared && { share: true }),
    ...(hugepages && { hugetlb: true }),
    ...(prealloc && { prealloc: true }),
    ...(reserve === false && { reserve: false }),
  };
}

function typeOf({ shared, hugepages }: MemoryBackend): string {
  return shared || hugepages ? "memory-backend-memfd" : "memory-backend-ram";
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
  const { major } = await qmp.version();
  const object = { "qom-type": typeOf(backend), id: backend.id };
  await qmp.execute(
    "object-add",
    major >= FLAT_OBJECTS ? { ...object, ...members } : { ...object, props: members },
  );
}
