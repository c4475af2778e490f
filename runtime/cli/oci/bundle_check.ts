import { Code, RuntimeError } from "../../../common/base/errors.ts";
import { type BundleConfig, isObject, readBundle } from "../../sandbox/bundle.ts";
import { OciError } from "./oci_error.ts";
import { systemText } from "./system_text.ts";

/** What runc demands of `process`. Source: runc's utils_linux.go, validateProcessSpec. */
function checkProcess({ json }: BundleConfig): void {
  const { process } = json;
  if (!isObject(process)) throw new OciError("process property must not be empty");
  const { args, cwd } = process;
  if (typeof cwd !== "string" || cwd === "") throw new OciError("Cwd property must not be empty");
  if (!cwd.startsWith("/")) throw new OciError("Cwd must be an absolute path");
  if (!Array.isArray(args) || args.length === 0) throw new OciError("args must not be empty");
}

/** A root that is not there would be told by the guest, after a boot. */
function checkRoot({ rootPath }: BundleConfig): void {
  try {
    if (Deno.statSync(rootPath).isDirectory) return;
  } catch (error) {
    throw new OciError(`invalid rootfs: stat ${rootPath}: ${systemText(error)}`);
  }
  throw new OciError(`invalid rootfs: ${rootPath} is not a directory`);
}

/** The bundle's folder without links. @throws {OciError} */
export function bundleFolder(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    throw new OciError(`chdir ${path}: ${systemText(error)}`);
  }
}

/**
 * The bundle's configuration, fit for a container: what is wrong is told before a VM boots. Its `ociVersion` may be
 * any: runc takes them all, and engines run ahead of runtimes.
 * @throws {OciError} As runc words it.
 */
export async function bundleConfig(bundle: string): Promise<BundleConfig> {
  let config: BundleConfig;
  try {
    config = await readBundle(bundle);
  } catch (error) {
    if (error instanceof RuntimeError && error.code === Code.NotFound) {
      throw new OciError("JSON specification file config.json not found");
    }
    throw error;
  }
  checkProcess(config);
  checkRoot(config);
  return config;
}
