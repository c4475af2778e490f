import { messageOf } from "../../common/base/errors.ts";
import { shimEnvironment } from "../shim/environment.ts";
import { parseInvocation } from "../shim/invocation.ts";
import { VERSION } from "../../common/base/version.ts";

/** Writes all of it: engines read the shim's answer up to the end of the stream. */
function print(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

function printText(text: string): void {
  print(new TextEncoder().encode(text));
}

async function act(args: readonly string[], bornMs: number): Promise<void> {
  const invocation = parseInvocation(args);
  if (invocation.version) return printText(`containerd-shim-kata-v2:\n  Version:  ${VERSION}\n`);
  if (invocation.info) return print((await import("../shim/info.ts")).runtimeInfo());
  switch (invocation.action) {
    case "start":
      return printText(
        await (await import("../shim/start.ts")).start(invocation, {
          variables: Deno.env.toObject(),
          startedMs: bornMs,
        }),
      );
    case "delete":
      return print(await (await import("../shim/delete.ts")).deleteLeftovers(invocation));
    case "serve":
      return await (await import("../shim/serve.ts")).serve(
        invocation,
        shimEnvironment((name) => Deno.env.get(name)),
        { bornMs },
      );
  }
}

/**
 * The binary as containerd's shim.
 * @param bornMs When this process began, on the monotonic clock.
 * @returns The exit status; after a failure the reason is on stderr, where containerd reads it.
 */
export async function shimMain(args: readonly string[], bornMs: number): Promise<number> {
  try {
    await act(args, bornMs);
    return 0;
  } catch (error) {
    Deno.stderr.writeSync(new TextEncoder().encode(`${messageOf(error)}\n`));
    return 1;
  }
}
