/**
 * Prints how long pods take that are started together, in ms: until all run, and until all are gone. Run by the bench
 * `pods` with the Deno that speaks CRI.
 *
 *     tools/deno --http2 run -A tests/bench/pods_at_once.ts HANDLER COUNT
 */
import { print } from "../../tools/lib/terminal.ts";
import { CriNode } from "../support/cri/node.ts";

async function measure(handler: string, count: number): Promise<{ upMs: number; goneMs: number }> {
  await using node = await CriNode.start();
  const started = performance.now();
  const pods = await Promise.all(Array.from({ length: count }, () => node.runPod({}, handler)));
  const up = performance.now();
  await Promise.all(pods.map((pod) => node.removePod(pod)));
  return { upMs: up - started, goneMs: performance.now() - up };
}

if (import.meta.main) {
  const [handler = "", count = ""] = Deno.args;
  print(JSON.stringify(await measure(handler, Number(count))));
}
