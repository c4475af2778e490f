import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { guestBootSteps } from "./guest_boot.ts";

Deno.test("guestBootSteps puts the guest's steps on the host's clock, one after the other", () => {
  const features = ["other", "kata-deno/boot-steps init=900 agent=950.5 ready=2900 now=3000"];
  const steps = guestBootSteps(features, 10_000, 6_800);
  assertEquals(steps.map(({ startMs, endMs }) => [startMs, endMs]), [
    [6_800, 7_900],
    [7_900, 7_950.5],
    [7_950.5, 9_900],
  ]);
});

Deno.test("guestBootSteps leaves out what cannot be", () => {
  const before = ["kata-deno/boot-steps init=1 ready=2 now=100000"];
  assertEquals(guestBootSteps(before, 10_000, 9_000), []);
  const after = ["kata-deno/boot-steps init=9999 now=100"];
  assertEquals(guestBootSteps(after, 10_000, 9_000), []);
  assertEquals(guestBootSteps([], 10_000, 9_000), []);
});

Deno.test("guestBootSteps stays between start and answer, whatever the guest says", () => {
  const word = fc.oneof(fc.string(), fc.stringMatching(/^(init|agent|ready|now)=[0-9]{1,6}$/));
  fc.assert(fc.property(fc.array(word), (words) => {
    const steps = guestBootSteps([`kata-deno/boot-steps ${words.join(" ")}`], 5_000, 1_000);
    assert(
      steps.every(({ startMs, endMs }) => 1_000 <= startMs && startMs <= endMs && endMs <= 5_000),
    );
  }));
});
