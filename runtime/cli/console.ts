import { copy } from "../../common/linux/copy.ts";
import { dup } from "../../common/linux/fd.ts";
import { FdStream } from "../../common/linux/fd_stream.ts";
import { isTerminal, makeRaw } from "../../common/linux/terminal.ts";
import { closeQuietly, writeAll } from "../../common/protocol/transport/connection.ts";
import { askSandbox } from "./operator_socket.ts";

/** `exec SANDBOX`: a root shell in the guest on our own streams, until either side ends. */
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
  typing.catch(() => {}); // the shell has ended
  await copy(connection, stdout);
  return 0;
}
