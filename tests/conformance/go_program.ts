/** Programs that are built once from the Go module proxy and kept in the cache. */
import { cacheDir } from "../../tools/lib/paths.ts";
import { note } from "../../tools/lib/terminal.ts";
import { GoBuilder, type GoModule, readVersions } from "./go_build.ts";

/** A program and where it comes from. */
export interface GoProgram {
  readonly name: string;
  /** Path of its module. */
  readonly module: string;
  /** What its version and checksum are called in tools/versions.env, without their endings. */
  readonly pin: string;
  /** Its package, below the module's path. */
  readonly package: string;
  /** Whether the package's tests are the program. */
  readonly tests: boolean;
}

async function pinned(program: GoProgram): Promise<GoModule> {
  const pin = await readVersions();
  return {
    path: program.module,
    version: pin(`${program.pin}_VERSION`),
    sum: pin(`${program.pin}_SUM`),
  };
}

function folderOf({ name }: GoProgram, { version }: GoModule): string {
  return `${cacheDir()}/conformance/${name}-${version}`;
}

/** The program that was built before, if it was. */
export async function findProgram(program: GoProgram): Promise<string | undefined> {
  const path = `${folderOf(program, await pinned(program))}/${program.name}`;
  return await Deno.stat(path).then(() => true, () => false) ? path : undefined;
}

/** Builds it where it is missing. @param goPath Path of a Go that is recent enough. */
export async function prepareProgram(program: GoProgram, goPath: string): Promise<void> {
  if (await findProgram(program)) return;
  const module = await pinned(program), folder = folderOf(program, module);
  const work = `${folder}/work`, built = `${folder}/built`;
  const go = new GoBuilder(goPath);
  note(program.name);
  await go.download(module);
  await go.prepare(work, module);
  await Deno.mkdir(built, { recursive: true });
  if (program.tests) {
    await go.buildTests(work, module, program.package, `${built}/${program.name}`);
  } else {
    await go.build(work, module, { packages: [program.package] }, built);
  }
  await Deno.rename(`${built}/${program.name}`, `${folder}/${program.name}`);
}
