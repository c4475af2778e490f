/**
 * Makes gen/ from protos/: `deno run -A common/protocol/generate.ts`.
 * The tools come from npm and are kept in Deno's cache.
 */
import { run } from "../linux/subprocess.ts";

const BUF = "npm:@bufbuild/buf@1.71.0/buf";
/** Its name and version stand in every generated file. */
const PLUGIN = "npm:@bufbuild/protoc-gen-es@2.13.0";
const TIMEOUT_MS = 120_000;

/** A folder with `protos`, `buf.yaml`, and `gen`, the checked-in code made from them. */
const FOLDER = import.meta.dirname ?? ".";

/**
 * Writes the code for every message and service.
 * @param out Absolute; emptied first.
 * @param cachedOnly Fail rather than download the tools.
 * @param folder Where `protos` and `buf.yaml` are; this one if absent.
 * @throws {Error} The tools cannot be had, or a .proto file is wrong; with what they said.
 */
export async function generate(out: string, cachedOnly = false, folder = FOLDER): Promise<void> {
  const deno = [
    Deno.execPath(),
    "run",
    "-A",
    "--no-config",
    ...(cachedOnly ? ["--cached-only"] : []),
  ];
  const template = {
    version: "v2",
    clean: true,
    plugins: [{ local: [...deno, PLUGIN], out, opt: ["target=ts", "import_extension=ts"] }],
  };
  const argv = [...deno, BUF, "generate", "--template", JSON.stringify(template)];
  const { code, stderr } = await run(argv, { cwd: folder, timeoutMs: TIMEOUT_MS });
  if (code !== 0) throw new Error(`Cannot generate code from ${folder}/protos: ${stderr}`);
}

if (import.meta.main) await generate(`${FOLDER}/gen`);
