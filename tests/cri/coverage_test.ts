import { assertEquals } from "@std/assert";
import { ROOT } from "../../tools/lib/paths.ts";
import { LIFE, POD } from "./container_cases.ts";
import { CONTAINERD2 } from "./containerd2_cases.ts";
import { IMAGES } from "./image_cases.ts";
import { LIVES } from "./lifecycle_cases.ts";
import { MOUNTS } from "./mount_cases.ts";
import { NETWORK } from "./network_cases.ts";
import { SECURITY } from "./security_cases.ts";
import { STREAMS } from "./stream_cases.ts";

/** Of critest's cases with runc, how many a runtime that does nothing fails. */
const BEHAVIOURS = 87;

/** A row of the tables that docs/conformance.md has of critest's cases. */
const ROW = /^\| `([^`]+)` +\| (.*\S) +\|$/;

const GROUPS = [
  ["a container: ", [...LIFE, ...MOUNTS, ...SECURITY]],
  ["a pod: ", [...POD, ...NETWORK]],
  ["an image: ", IMAGES],
  ["the streaming server: ", STREAMS],
  ["containerd 2.x: ", CONTAINERD2],
  ["", LIVES],
] as const;

const tests = new Set(GROUPS.flatMap(([group, list]) => list.map(([name]) => `${group}${name}`)));
const text = await Deno.readTextFile(`${ROOT}/docs/conformance.md`);
const rows = text.slice(text.indexOf("## critest")).split("\n").flatMap((line) => {
  const [, name, answer] = ROW.exec(line) ?? [];
  return name && answer ? [{ name, answer }] : [];
});

Deno.test("docs/conformance.md answers for each of critest's cases", () => {
  assertEquals(new Set(rows.map(({ name }) => name)).size, BEHAVIOURS);
});

Deno.test("docs/conformance.md names tests that there are", () => {
  const named = text.matchAll(
    /`((?:a container|a pod|an image|the streaming server|containerd 2.x): [^`]+)`/g,
  );
  const unknown = [...named].map(([, name = ""]) => name).filter((name) => !tests.has(name));
  assertEquals(unknown, []);
});
