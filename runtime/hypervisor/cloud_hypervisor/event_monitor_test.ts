import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { EventParser, type VmmEvent } from "./event_monitor.ts";

const EVENTS: VmmEvent[] = [
  { source: "vm", event: "booted", properties: {} },
  { source: "guest", event: "panic", properties: { why: "none", at: "1" } },
];
const TEXT = EVENTS.map((event) => JSON.stringify(event, null, 2) + "\n\n").join("");

Deno.test("EventParser yields the events however their text is cut", () => {
  fc.assert(fc.property(fc.array(fc.nat(TEXT.length)), (cuts) => {
    const places = [0, ...cuts.toSorted((a, b) => a - b), TEXT.length];
    const parser = new EventParser();
    const found = places.slice(1).flatMap((end, at) => parser.push(TEXT.slice(places[at], end)));
    assertEquals(found, EVENTS);
  }));
});

Deno.test("EventParser survives whatever comes, and goes on", () => {
  fc.assert(fc.property(fc.string(), (noise) => {
    const parser = new EventParser();
    parser.push(`${noise}\n\n`);
    assertEquals(parser.push(TEXT), EVENTS);
  }));
});
