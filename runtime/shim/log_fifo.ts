import { O, open, writeSync } from "../../common/linux/fd.ts";
import { SyscallError } from "../../common/linux/syscall_error.ts";

/**
 * Lines for containerd's log, by the FIFO that it reads. Nothing waits for it: when nobody reads or the FIFO is
 * full, or there is none (CRI-O), lines are dropped.
 */
export function openShimLog(path: string): (line: string) => void {
  let fd: number;
  try {
    fd = open(path, O.WRONLY | O.NONBLOCK);
  } catch (error) {
    if (error instanceof SyscallError) return () => {};
    throw error;
  }
  const encoder = new TextEncoder();
  return (line) => {
    writeSync(fd, encoder.encode(`${line}\n`));
  };
}
