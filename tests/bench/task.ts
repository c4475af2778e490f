/** What a client of a running container waits for: execs, answers, bytes. */
import { type Bench, type BenchContext, interleave } from "../support/bench.ts";
import { BareTransport } from "../support/bare_transport.ts";
import { measureExec } from "./task/exec.ts";
import { measureFlood } from "./task/flood.ts";
import { measureGrowth } from "./task/growth.ts";
import { measureStreams } from "./task/streams.ts";
import { Subject } from "./task/subject.ts";
import { measureTogether } from "./task/together.ts";

async function run(context: BenchContext): Promise<void> {
  const { containerd, contenders } = context;
  {
    await using undo = new AsyncDisposableStack();
    const subjects = new Map<string, Subject>();
    for (const contender of contenders) {
      subjects.set(contender.label, undo.use(await Subject.start(containerd, contender)));
    }
    const bare = undo.use(await BareTransport.boot("serial"));
    await measureExec(context, subjects);
    await interleave(context, async (contender) => {
      const subject = subjects.get(contender.label);
      if (subject === undefined) return;
      const beside = contender === contenders.at(-1) ? bare : undefined;
      await measureStreams(context, contender, subject.client, beside);
    });
    for (const contender of contenders) {
      const subject = subjects.get(contender.label);
      if (subject === undefined) continue;
      await measureFlood(context, contender, subject);
      await measureGrowth(context, contender, subject);
    }
  }
  await measureTogether(context);
}

/** Execs, calls, streams. */
export const task: Bench = {
  name: "task",
  what: "what a running container answers and carries",
  run,
};
