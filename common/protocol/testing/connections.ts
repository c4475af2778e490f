import { socketPair } from "../../linux/socket.ts";
import { FdStream } from "../../linux/fd_stream.ts";

/** Both ends of a Unix socket. */
export function connectedPair(): [FdStream, FdStream] {
  const [a, b] = socketPair();
  return [new FdStream(a), new FdStream(b)];
}

/** Resolves after the tasks and callbacks that are due now. */
export function turn(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
