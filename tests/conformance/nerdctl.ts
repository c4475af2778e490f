/** nerdctl, which Debian 12 does not have. */
import { findProgram, type GoProgram, prepareProgram } from "./go_program.ts";

const NERDCTL: GoProgram = {
  name: "nerdctl",
  module: "github.com/containerd/nerdctl/v2",
  pin: "NERDCTL",
  package: "cmd/nerdctl",
  tests: false,
};

/** The program that was built before, if it was. */
export async function findNerdctl(): Promise<string | undefined> {
  return await findProgram(NERDCTL);
}

/** Builds it where it is missing. @param goPath Path of a Go that is recent enough. */
export async function prepareNerdctl(goPath: string): Promise<void> {
  await prepareProgram(NERDCTL, goPath);
}
