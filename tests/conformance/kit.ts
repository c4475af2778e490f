/** What the suites need, made once for each set of versions and kept in the cache. */
import { hashTree, sha256 } from "../../tools/lib/hash.ts";
import { cacheDir } from "../../tools/lib/paths.ts";
import { note, progress } from "../../tools/lib/terminal.ts";
import { GoBuilder, type GoModule, type GoPrograms, readVersions } from "./go_build.ts";

/** Where everything is that a suite needs. */
export interface Kit {
  /** Programs: containerd, ctr, its shim for runc, the client tests, runtimetest. */
  readonly bin: string;
  /** The OCI validation's programs, one a case. */
  readonly validation: string;
  /** The client tests' own folder, with their test data. */
  readonly clientSource: string;
  /** A root file system for the OCI validation. */
  readonly rootfsArchive: string;
}

const CONTAINERD: GoPrograms = {
  packages: ["cmd/containerd", "cmd/ctr", "cmd/containerd-shim-runc-v2"].concat(
    "integration/failpoint/cmd/runc-fp",
  ),
};

const RUNTIMETEST: GoPrograms = {
  packages: ["cmd/runtimetest"],
  flags: ["-tags", "netgo osusergo", "-ldflags", "-extldflags -static"],
};

interface Pins {
  readonly containerd: GoModule;
  readonly runtimeTools: GoModule;
}

async function readPins(): Promise<Pins> {
  const pin = await readVersions();
  return {
    containerd: {
      path: "github.com/containerd/containerd/v2",
      version: pin("CONTAINERD2_VERSION"),
      sum: pin("CONTAINERD2_SUM"),
    },
    runtimeTools: {
      path: "github.com/opencontainers/runtime-tools",
      version: pin("RUNTIME_TOOLS_VERSION"),
      sum: pin("RUNTIME_TOOLS_SUM"),
    },
  };
}

/** The folder for these versions: all that is in it was made from what the name's hash stands for. */
async function kitFolder(pins: Pins): Promise<string> {
  const made = await sha256(JSON.stringify([pins, CONTAINERD, RUNTIMETEST]));
  return `${cacheDir()}/conformance/${made.slice(0, 16)}`;
}

function kitAt(folder: string, { containerd, runtimeTools }: Pins): Kit {
  const sources = `${cacheDir()}/go/mod`;
  return {
    bin: `${folder}/bin`,
    validation: `${folder}/validation`,
    clientSource: `${sources}/${containerd.path}@${containerd.version}/integration/client`,
    rootfsArchive: `${sources}/${runtimeTools.path}@${runtimeTools.version}/rootfs-amd64.tar.gz`,
  };
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function buildContainerd(go: GoBuilder, module: GoModule, folder: string): Promise<void> {
  const work = `${folder}/work/containerd`, bin = `${folder}/bin`;
  await go.download(module);
  await go.prepare(work, module);
  note("containerd and ctr");
  await go.build(work, module, CONTAINERD, bin);
  note("containerd's client tests");
  await go.buildTests(work, module, "integration/client", `${bin}/client.test`);
}

async function buildRuntimeTools(go: GoBuilder, module: GoModule, folder: string): Promise<void> {
  const work = `${folder}/work/runtime-tools`;
  const source = await go.download(module);
  await go.prepare(work, module);
  note("runtime-tools' validation");
  await go.build(work, module, RUNTIMETEST, `${folder}/bin`);
  const packages = await validationPackages(source);
  await go.build(work, module, { packages }, `${folder}/validation`);
}

/** One for each folder of runtime-tools' validation. */
async function validationPackages(source: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(`${source}/validation`));
  return entries.filter(({ name, isDirectory }) => isDirectory && name !== "util")
    .map(({ name }) => `validation/${name}`).sort();
}

/**
 * Builds what is missing.
 * @param goProgram Path of a Go that is recent enough.
 */
export async function prepareKit(goProgram: string): Promise<Kit> {
  const pins = await readPins(), folder = await kitFolder(pins);
  const kit = kitAt(folder, pins);
  if (await exists(`${folder}/complete`)) return kit;
  const go = new GoBuilder(goProgram);
  progress(`building the suites with ${await go.version()}`);
  await Deno.mkdir(kit.bin, { recursive: true });
  await Deno.mkdir(kit.validation, { recursive: true });
  await buildContainerd(go, pins.containerd, folder);
  await buildRuntimeTools(go, pins.runtimeTools, folder);
  await Deno.writeTextFile(`${folder}/complete`, await hashTree(kit.bin));
  return kit;
}

/** The kit that was made before, if it was. */
export async function findKit(): Promise<Kit | undefined> {
  const pins = await readPins(), folder = await kitFolder(pins);
  return await exists(`${folder}/complete`) ? kitAt(folder, pins) : undefined;
}
