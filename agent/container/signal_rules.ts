/** When SIGTERM would do nothing. */

export const SIGKILL = 9;
export const SIGTERM = 15;

/**
 * SIGKILL instead of SIGTERM for the init of a PID namespace that neither catches, ignores nor blocks SIGTERM: the
 * kernel drops such a signal (pid_namespaces(7)), and the user would wait in vain. Kata's agent does the same.
 */
export function promoted(pid: number, signal: number): number {
  if (signal !== SIGTERM) return signal;
  return termIsDropped(readStatus(pid)) ? SIGKILL : signal;
}

/** Judges the text of /proc/pid/status. Source: proc(5), NSpid, SigBlk, SigIgn, SigCgt. */
export function termIsDropped(status: string): boolean {
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
  const isNamespaceInit = field("NSpid").split(/\s+/).at(-1) === "1";
  if (!isNamespaceInit) return false;
  const bit = 1n << BigInt(SIGTERM - 1);
  return ["SigBlk", "SigIgn", "SigCgt"].every((name) => {
    const mask = field(name);
    return /^[0-9a-f]+$/.test(mask) && (BigInt(`0x${mask}`) & bit) === 0n;
  });
}

/** Empty for a process that is gone: then no rule applies. */
function readStatus(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/status`);
  } catch (error) {
    const gone = error instanceof Deno.errors.NotFound || /os error 3\b/.test(String(error));
    if (gone) return "";
    throw error;
  }
}
