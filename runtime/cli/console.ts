import { copy } from "../../common/linux/copy.ts";
import { dup } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { isTerminal, makeRaw } from "../../common/linux/terminal.ts";
import { closeQuietly, writeAll } from "../../common/protocol/transport/connection.ts";
import { askSandbox } from "./operator_socket.ts";

/**
 * What we type at the end of our input, so that the shell ends. Control-D would be lost when it comes while a program
 * runs: the shell then finds a NUL, as the terminal was not in the shell's mode. Source: Linux n_tty.c.
 */
const END_OF_INPUT = new TextEncoder().encode("\nexit\n");

/** `exec SANDBOX`: a root shell in the guest on our own streams, until either side ends; a script may come by stdin. */
export async function debugConsole(sandbox: string): Promise<number> {
  const connection = await askSandbox(sandbox, "console");
  using undo = new DisposableStack();
  undo.defer(() => closeQuietly(connection));
  if (isTerminal(0)) undo.defer(makeRaw(0));
  const [stdin, stdout] = [undo.use(new FdStream(dup(0))), undo.use(new FdStream(dup(1)))];
  const typing = copy(stdin, {
    write: async (bytes) => {
      await writeAll(connection, bytes);
      return bytes.length;
    },
  });
  typing.then(() => writeAll(connection, END_OF_INPUT)).catch(() => {}); // the shell has ended
  await copy(connection, stdout);
  return 0;
}
