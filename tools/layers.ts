/**
 * Who may import whom: one table, which the lint plugin checks and from which the diagram is drawn.
 * `tools/deno run tools/layers.ts` prints the diagram, in Mermaid's language.
 */

import { print } from "./lib/terminal.ts";

/** One tier: folders (ending in "/") or single files that are peers and do not know each other. */
export type Tier = readonly string[];

/** A stack of tiers, highest first; a file imports from its own layer and from lower tiers. */
export interface Stack {
  readonly name: string;
  readonly tiers: readonly Tier[];
}

/** What both sides rest on. */
const COMMON: readonly Tier[] = [["common/protocol/"], ["common/linux/"], ["common/base/"]];

/** The product's two stacks, which meet in `common/` only, and the tooling. The first that holds a file judges it. */
export const STACKS: readonly Stack[] = [
  {
    name: "host",
    tiers: [
      ["mod.ts"],
      ["runtime/cli/"],
      ["runtime/pod_daemon/"],
      ["runtime/shim/"],
      ["runtime/sandbox/"],
      ["runtime/storage/", "runtime/share_fs/", "runtime/network/", "runtime/factory/"],
      ["runtime/hypervisor/drivers.ts"],
      ["runtime/hypervisor/*/"],
      ["runtime/hypervisor/", "runtime/agent_client/"],
      ["runtime/config/", "runtime/metrics/"],
      ...COMMON,
    ],
  },
  {
    name: "guest",
    tiers: [
      ["agent/main.ts"],
      ["agent/server/"],
      ["agent/container/", "agent/storage/", "agent/network/", "agent/device/"],
      ...COMMON,
    ],
  },
  { name: "guest image", tiers: [["guest/"], ["tools/lib/"], ...COMMON] },
  {
    name: "tooling",
    tiers: [
      ["tests/"],
      ["tools/"],
      ["tests/bench/", "tests/conformance/"],
      ["tests/vmm/"],
      ["tests/support/"],
      ["guest/"],
      ["tools/lib/"],
      ["tools/std/"],
      ["mod.ts", "runtime/", "agent/"],
      ...COMMON,
    ],
  },
];

/** Layers that only the named files outside may import. */
export const PRIVATE: Readonly<Record<string, readonly string[]>> = {
  "runtime/hypervisor/*/": ["runtime/hypervisor/drivers.ts"],
};

/** A part of Deno's interface, and the only places that use it; `tests` lets unit tests use it too. */
export interface GlobalRule {
  readonly global: string;
  readonly places: readonly string[];
  readonly tests: boolean;
}

const TOOLING = ["tools/", "tests/", "guest/", "common/protocol/testing/"];

/** Parts of Deno's interface that belong to one place each. */
export const GLOBALS: readonly GlobalRule[] = [
  { global: "Deno.dlopen", places: ["common/linux/"], tests: false },
  { global: "Deno.Command", places: TOOLING, tests: true },
  {
    global: "Deno.env",
    places: ["runtime/config/", "runtime/cli/", "agent/main.ts", ...TOOLING],
    tests: true,
  },
  {
    global: "Deno.args",
    places: ["mod.ts", "runtime/cli/", "agent/main.ts", ...TOOLING],
    tests: false,
  },
];

/** Modules from outside that one file alone imports. */
export const MODULES: Readonly<Record<string, string>> = { "@std/log": "common/base/log.ts" };

function inLayer(path: string, layer: string): boolean {
  if (!layer.endsWith("/")) return path === layer;
  if (!layer.endsWith("*/")) return path.startsWith(layer);
  const folder = layer.slice(0, -2);
  return path.startsWith(folder) && path.slice(folder.length).includes("/");
}

/** The folder that a path belongs to: drivers are peers of one another, not one layer. */
function instance(path: string, layer: string): string {
  if (!layer.endsWith("*/")) return layer;
  const folder = layer.slice(0, -2);
  return folder + path.slice(folder.length).split("/")[0] + "/";
}

interface Place {
  readonly tier: number;
  readonly layer: string;
}

/** Where a path stands in a stack: the most exact layer that holds it. */
function placeIn(stack: Stack, path: string): Place | undefined {
  const found = stack.tiers.flatMap((tier, index) =>
    tier.filter((layer) => inLayer(path, layer)).map((layer) => ({ tier: index, layer }))
  );
  return found.sort((a, b) => b.layer.length - a.layer.length)[0];
}

/** Whether the path is a unit test beside what it tests. */
export function isTest(path: string): boolean {
  return path.endsWith("_test.ts");
}

function mayImport(stack: Stack, from: string, to: string): boolean {
  const source = placeIn(stack, from);
  const target = placeIn(stack, to);
  if (!source || !target) return false;
  if (source.layer === target.layer) {
    return instance(from, source.layer) === instance(to, target.layer);
  }
  const only = PRIVATE[target.layer];
  return source.tier < target.tier && (only === undefined || only.includes(from) || isTest(from));
}

/**
 * Judges one import.
 * @param from The importing file, relative to the top folder.
 * @param to The imported file, likewise.
 * @returns Why it is not allowed, or `undefined`.
 */
export function importViolation(from: string, to: string): string | undefined {
  if (isTest(from) && to.startsWith("tests/support/")) return undefined;
  const stack = STACKS.find((stack) => placeIn(stack, from) !== undefined);
  if (stack === undefined) return `"${from}" stands in no layer of tools/layers.ts`;
  if (mayImport(stack, from, to)) return undefined;
  return `"${from}" may not import "${to}": see the table in tools/layers.ts`;
}

/**
 * Judges the use of a module from outside.
 * @returns Why it is not allowed, or `undefined`.
 */
export function moduleViolation(from: string, specifier: string): string | undefined {
  if (/^(npm|jsr|https?):/.test(specifier) && !from.startsWith("tools/std/")) {
    return `"${specifier}": name the package in deno.json and import it by that name`;
  }
  const only = MODULES[specifier];
  if (only === undefined || from === only) return undefined;
  return `only ${only} imports "${specifier}"`;
}

/**
 * Judges the use of a part of Deno's interface, such as `Deno.dlopen`.
 * @returns Why it is not allowed, or `undefined`.
 */
export function globalViolation(from: string, global: string): string | undefined {
  const rule = GLOBALS.find((rule) => rule.global === global);
  if (rule === undefined || (rule.tests && isTest(from))) return undefined;
  if (rule.places.some((place) => inLayer(from, place))) return undefined;
  return `${global} belongs to ${rule.places.join(", ")}, not to "${from}"`;
}

function nodeName(layer: string): string {
  return layer.replaceAll(/[^a-z0-9]+/gi, "_");
}

function tierLines(tier: Tier): string[] {
  return tier.map((layer) => `  ${nodeName(layer)}["${layer}"]`);
}

/** The host's and the guest's stacks as a Mermaid diagram; an arrow reads "may import". */
export function diagram(): string {
  const lines = STACKS.slice(0, 2).flatMap((stack) =>
    stack.tiers.flatMap((tier, index) => {
      const below = stack.tiers[index + 1] ?? [];
      const arrows = tier.flatMap((from) =>
        below.map((to) => `  ${nodeName(from)} --> ${nodeName(to)}`)
      );
      return [...tierLines(tier), ...arrows];
    })
  );
  return ["flowchart TD", ...new Set(lines)].join("\n");
}

if (import.meta.main) print(diagram());
