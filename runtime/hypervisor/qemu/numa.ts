import { Code, RuntimeError } from "../../../common/base/errors.ts";

/** Text of the kernel's list of nodes, `0-1,3`. Source: Documentation/ABI/stable/sysfs-devices-node. */
const ONLINE_NODES = "/sys/devices/system/node/online";
/** More than any host has. Source: Linux, MAX_NUMNODES. */
const MAX_NODES = 1024;
/** Memory of a node comes in whole huge pages. */
const STEP_MIB = 2;

/** What the configuration asks for; see `enable_numa` and `numa_mapping`. */
export interface NumaOptions {
  /** Host nodes behind each guest node, `0-1,3`; empty: one to one. */
  readonly mapping: readonly string[];
}

/** A node of the guest. */
export interface NumaNode {
  readonly memoryMiB: number;
  /** Numbers of its first and last processor; none where there are fewer processors than nodes. */
  readonly cpus: readonly [first: number, last: number] | undefined;
  /** Ranges of host nodes, `0-1`, that its memory comes from. */
  readonly hostNodes: readonly string[];
}

/** The host's nodes; one where its kernel knows of none. */
export async function hostNodes(): Promise<number[]> {
  try {
    return parseNodes((await Deno.readTextFile(ONLINE_NODES)).trim()) ?? [0];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [0];
    throw error;
  }
}

/** @returns The numbers of `0-1,3`, or `undefined` where that is no list. */
export function parseNodes(text: string): number[] | undefined {
  const nodes: number[] = [];
  for (const part of text.split(",")) {
    const [, first, last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part) ?? [];
    if (first === undefined || last === undefined || Number(last) >= MAX_NODES) return undefined;
    if (Number(last) < Number(first)) return undefined;
    for (let node = Number(first); node <= Number(last); node++) nodes.push(node);
  }
  return nodes;
}

/**
 * The guest's nodes, with memory and processors in equal shares.
 * @param host The host's nodes.
 * @throws {RuntimeError} InvalidArgument: `numa_mapping` names what the host does not have.
 */
export function numaNodes(
  { mapping }: NumaOptions,
  host: readonly number[],
  { memoryMiB, vcpus }: { readonly memoryMiB: number; readonly vcpus: number },
): NumaNode[] {
  const sets = mapping.length > 0 ? mapping : host.map(String);
  const share = Math.floor(memoryMiB / sets.length / STEP_MIB) * STEP_MIB;
  if (share === 0) throw invalid(`${sets.length} nodes are too many for ${memoryMiB} MiB`);
  return sets.map((set, index) => {
    checkSet(set, host);
    const first = Math.floor(index * vcpus / sets.length);
    const last = Math.floor((index + 1) * vcpus / sets.length) - 1;
    return {
      memoryMiB: index === 0 ? memoryMiB - share * (sets.length - 1) : share,
      cpus: last < first ? undefined : [first, last] as const,
      hostNodes: set.split(","),
    };
  });
}

function checkSet(set: string, host: readonly number[]): void {
  const nodes = parseNodes(set);
  if (nodes === undefined) throw invalid(`${JSON.stringify(set)} is no list of nodes`);
  const missing = nodes.find((node) => !host.includes(node));
  if (missing !== undefined) throw invalid(`the host has no node ${missing}`);
}

function invalid(problem: string): RuntimeError {
  return new RuntimeError(Code.InvalidArgument, `numa_mapping: ${problem}`);
}

/** Values of `-numa`. @param memdev Names the memory of a node. */
export function numaArguments(
  nodes: readonly NumaNode[],
  memdev: (index: number) => string,
): string[] {
  return nodes.flatMap(({ cpus }, index) => {
    const range = cpus === undefined ? "" : `,cpus=${cpus[0]}-${cpus[1]}`;
    return ["-numa", `node,nodeid=${index}${range},memdev=${memdev(index)}`];
  });
}
