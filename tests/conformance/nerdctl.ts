/** nerdctl, which Debian 12 does not have: built once from the Go module proxy and kept in the cache. */
import { cacheDir } from "../../tools/lib/paths.ts";
import { note } from "../../tools/lib/terminal.ts";
import { GoBuilder, type GoModule, readVersions } from "./go_build.ts";

async function pinned(): Promise<GoModule> {
  const pin = await readVersions();
  return {
    path: "github.com/containerd/nerdctl/v2",
    version: pin("NERDCTL_VERSION"),
    sum: pin("NERDCTL_SUM"),
  };
}

function folderOf({ version }: GoModule): string {
  return `${cacheDir()}/conformance/nerdctl-${version}`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** The program that was built before, if it was. */
export async function findNerdctl(): Promise<string | undefined> {
  const program = `${folderOf(await pinned())}/nerdctl`;
  return await exists(program) ? program : undefined;
}

/** Builds it where it is missing. @param goProgram Path of a Go that is recent enough. */
export async function prepareNerdctl(goProgram: string): Promise<void> {
  if (await findNerdctl()) return;
  const module = await pinned(), folder = folderOf(module), work = `${folder}/work`;
  const go = new GoBuilder(goProgram);
  note("nerdctl");
  await go.download(module);
  await go.prepare(work, module);
  await go.build(work, module, { packages: ["cmd/nerdctl"] }, `${folder}/built`);
  await Deno.rename(`${folder}/built/nerdctl`, `${folder}/nerdctl`);
}
