/** What the tests of this folder share: one node, and a pod that most of them need no more than. */
import { assertEquals } from "@std/assert";
import { findKit } from "../conformance/kit.ts";
import { CriNode, type NodeOptions, type Pod, type PodConfig } from "../support/cri/node.ts";
import { leaks, type Snapshot, snapshot } from "../support/leaks.ts";

/**
 * The node that the environment asks for: `KATA_CONTAINERD=2 tools/test cri` has everything on containerd 2.x, as far as
 * tools/conformance has built it.
 */
export async function chosenNode(): Promise<NodeOptions> {
  if (Deno.env.get("KATA_CONTAINERD") !== "2") return {};
  const kit = await findKit();
  if (kit === undefined) {
    throw new Error("containerd 2.x is not built: tools/conformance --prepare");
  }
  return { program: `${kit.bin}/containerd`, version: 3 };
}

/** A node and its pod; started when first asked for. */
export class Stage {
  readonly #options: NodeOptions;
  readonly #podConfig: PodConfig;
  #before: Snapshot | undefined;
  #node: Promise<CriNode> | undefined;
  #pod: Promise<Pod> | undefined;

  constructor(options: NodeOptions = {}, podConfig: PodConfig = {}) {
    this.#options = options;
    this.#podConfig = podConfig;
  }

  async node(): Promise<CriNode> {
    this.#before ??= await snapshot();
    this.#node ??= CriNode.start(this.#options);
    return await this.#node;
  }

  /** The pod that tests share: they must leave it as they found it. */
  async pod(): Promise<Pod> {
    const node = await this.node();
    this.#pod ??= node.runPod(this.#podConfig);
    return await this.#pod;
  }

  /** Removes everything and checks that nothing is left. */
  async end(): Promise<void> {
    if (this.#node === undefined || this.#before === undefined) return;
    await (await this.#node)[Symbol.asyncDispose]();
    assertEquals(await leaks(this.#before), []);
  }
}

/** One test: its name, and what it does. */
export type Case = readonly [name: string, body: (node: CriNode, pod: Pod) => Promise<void>];

/** One test that makes the pods that it needs. */
export type Lone = readonly [name: string, body: (node: CriNode) => Promise<void>];

function register(name: string, fn: () => Promise<void>): void {
  // the node's connections live from test to test
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
}

/** Registers tests that share a stage's pod; `group` stands before each name. */
export function cases(stage: Stage, group: string, list: readonly Case[]): void {
  for (const [name, body] of list) {
    register(`${group}: ${name}`, async () => await body(await stage.node(), await stage.pod()));
  }
}

/** Registers tests that share a stage's node. */
export function lone(stage: Stage, list: readonly Lone[]): void {
  for (const [name, body] of list) register(name, async () => await body(await stage.node()));
}
