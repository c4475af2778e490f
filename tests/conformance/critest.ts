/** critest, Kubernetes' validation suite of CRI runtimes. */
import { findProgram, type GoProgram, prepareProgram } from "./go_program.ts";
import { prepareShell } from "./shell.ts";

const CRITEST: GoProgram = {
  name: "critest",
  module: "sigs.k8s.io/cri-tools",
  pin: "CRI_TOOLS",
  package: "cmd/critest",
  tests: true,
};

/** The program that was built before. @throws {Error} It was not. */
export async function requireCritest(): Promise<string> {
  const program = await findProgram(CRITEST);
  if (program !== undefined) return program;
  throw new Error("critest is not built: run tools/conformance --prepare");
}

/** Builds and fetches what is missing. @param goPath Path of a Go that is recent enough. */
export async function prepareCritest(goPath: string): Promise<void> {
  await prepareProgram(CRITEST, goPath);
  await prepareShell();
}
