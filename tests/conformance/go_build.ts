/** Builds Go programs from the module proxy; versions and checksums stand in tools/versions.env. */
import { output } from "../../tools/lib/command.ts";
import { cacheDir, ROOT } from "../../tools/lib/paths.ts";

/** A Go module as tools/versions.env pins it. */
export interface GoModule {
  readonly path: string;
  readonly version: string;
  /** As Go prints it: `h1:` and a hash of all its files. */
  readonly sum: string;
}

/** Programs of a module, each named as the last folder of its package. */
export interface GoPrograms {
  /** Packages, below the module's path. */
  readonly packages: readonly string[];
  readonly flags?: readonly string[];
}

/** Compiling containerd on a busy machine takes minutes. */
const BUILD_TIMEOUT_MS = 30 * 60_000;

function goEnvironment(): Record<string, string> {
  const cache = `${cacheDir()}/go`;
  return {
    GOPATH: `${cache}/path`,
    GOMODCACHE: `${cache}/mod`,
    GOCACHE: `${cache}/build`,
    GOFLAGS: "-buildvcs=false -modcacherw",
    GOTOOLCHAIN: "local",
  };
}

/** What tools/versions.env sets, by name. */
export async function readVersions(): Promise<(name: string) => string> {
  const text = await Deno.readTextFile(`${ROOT}/tools/versions.env`);
  return (name) => {
    const found = new RegExp(`^${name}=(.+)$`, "m").exec(text)?.[1];
    if (found) return found;
    throw new Error(`tools/versions.env does not set ${name}`);
  };
}

/** Go and the environment that it runs in. */
export class GoBuilder {
  readonly #program: string;

  constructor(program: string) {
    this.#program = program;
  }

  async #run(args: readonly string[], cwd: string): Promise<string> {
    const env = goEnvironment();
    return await output([this.#program, ...args], { cwd, env, timeoutMs: BUILD_TIMEOUT_MS });
  }

  /** Its version, such as `go1.26.8`. */
  async version(): Promise<string> {
    return (await this.#run(["env", "GOVERSION"], "/")).trim();
  }

  /**
   * Fetches a module.
   * @returns The folder with its sources.
   * @throws {Error} Its checksum is not the pinned one.
   */
  async download({ path, version, sum }: GoModule): Promise<string> {
    const told = await this.#run(["mod", "download", "-json", `${path}@${version}`], "/");
    const { Sum, Dir } = JSON.parse(told) as { Sum: string; Dir: string };
    if (Sum === sum) return Dir;
    throw new Error(`Wrong checksum of ${path} ${version}: expected ${sum}, found ${Sum}`);
  }

  /** Makes `folder` a module of its own that needs this one, so that its programs can be built there. */
  async prepare(folder: string, { path, version }: GoModule): Promise<void> {
    await Deno.mkdir(folder, { recursive: true });
    const text = `module conformance\n\ngo 1.26\n\nrequire ${path} ${version}\n`;
    await Deno.writeTextFile(`${folder}/go.mod`, text);
  }

  /** Compiles programs into the folder `into`. */
  async build(work: string, module: GoModule, programs: GoPrograms, into: string): Promise<void> {
    const { packages, flags = [] } = programs;
    const sources = packages.map((name) => `${module.path}/${name}`);
    await this.#run(["build", "-mod=mod", ...flags, "-o", `${into}/`, ...sources], work);
  }

  /** Compiles the tests of a package into the program `target`. */
  async buildTests(work: string, module: GoModule, name: string, target: string): Promise<void> {
    await this.#run(["test", "-c", "-mod=mod", "-o", target, `${module.path}/${name}`], work);
  }
}
