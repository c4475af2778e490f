/** Pods on containerd 2.x, which tools/conformance builds. */
import { findKit } from "../conformance/kit.ts";
import { CONTAINERD2 } from "./containerd2_cases.ts";
import { cases, Stage } from "./suite.ts";

const kit = await findKit();
const stage = new Stage({ program: `${kit?.bin}/containerd`, version: 3 });

if (kit === undefined) {
  Deno.test({
    name: "containerd 2.x: not tried: tools/conformance --prepare has not built it",
    ignore: true,
    fn: () => {},
  });
} else {
  cases(stage, "containerd 2.x", CONTAINERD2);
  Deno.test.afterAll(() => stage.end());
}
