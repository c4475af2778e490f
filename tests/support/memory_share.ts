const KIB_PER_MIB = 1024;

/** Name and proportional share of a process's memory, in MiB; undefined when it is gone. */
export async function share(pid: string): Promise<{ name: string; mib: number } | undefined> {
  try {
    const rollup = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
    const argv0 = (await Deno.readTextFile(`/proc/${pid}/cmdline`)).split("\0")[0] ?? "";
    const kib = Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
    return { name: argv0.replace(/^.*\//, ""), mib: kib / KIB_PER_MIB };
  } catch {
    return undefined; // a kernel thread has no memory, an ended process no files
  }
}
