/** Makes an API server look like the VMM's own program. */
import { referencePath } from "../../common/protocol/testing/reference.ts";
import { compileC } from "../../tools/lib/c_program.ts";
import { cacheDir, ROOT } from "../../tools/lib/paths.ts";
import { denoConfig } from "../support/deno_config.ts";

/** The VMMs that have a conforming server here. */
export type ServedVmm = "cloud_hypervisor" | "firecracker";

/** As the VMMs' own processes are called. */
const PROGRAM_NAMES = {
  cloud_hypervisor: "cloud-hypervisor",
  firecracker: "firecracker",
} as const;

/** What is amiss with a VMM. */
export interface VmmFault {
  /** What it says of itself; a recent one when absent. */
  readonly version?: string;
  /** The path of a call at which it ends. */
  readonly diesAt?: string;
  /** The path of a call that it does not know. */
  readonly refuses?: string;
}

/**
 * Writes a program that is the VMM to whoever starts it.
 * @param folder An existing one; it gets one file.
 * @returns Its path.
 */
export async function vmmProgram(
  vmm: ServedVmm,
  folder: string,
  { version, diesAt, refuses }: VmmFault = {},
): Promise<string> {
  const path = `${folder}/${vmm}`;
  const server = new URL(`./${vmm}.ts`, import.meta.url).pathname;
  const variables = ["PATH", "DENO_DIR", "HOME"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [`export ${name}='${value}'`];
  });
  variables.push(`export KATA_REFERENCE_DIR='${await referenceFolder()}'`);
  for (
    const [name, value] of Object.entries({ VERSION: version, DIES: diesAt, REFUSES: refuses })
  ) {
    if (value !== undefined) variables.push(`export KATA_TEST_VMM_${name}='${value}'`);
  }
  const flags = `run --quiet --no-check -A --config '${denoConfig()}'`;
  const run = `exec -a ${PROGRAM_NAMES[vmm]} '${Deno.execPath()}' ${flags} '${server}' "$@"`;
  await Deno.writeTextFile(path, ["#!/bin/bash", ...variables, run, ""].join("\n"), {
    mode: 0o755,
  });
  return path;
}

/** Without links, which would lead elsewhere in another root; as it is named where there is none. */
async function referenceFolder(): Promise<string> {
  const path = referencePath(".");
  return await Deno.realPath(path).catch(() => path);
}

/** Folders that the server and its QEMU need, wherever they run. */
async function foldersOfServer(): Promise<string[]> {
  const deno = Deno.execPath();
  const own = [cacheDir(), ROOT, await referenceFolder(), deno.slice(0, deno.lastIndexOf("/"))];
  return [...new Set(["/usr", "/bin", "/lib", "/lib64", "/etc", "/proc", ...own])];
}

/**
 * Writes a program that is Firecracker's jailer to whoever starts it.
 * @returns Its path.
 */
export async function jailerProgram(folder: string): Promise<string> {
  const path = `${folder}/jailer`, program = `${folder}/jailer-program`;
  await compileC("tests/vmm/jailer.c", program);
  const folders = `export KATA_TEST_JAIL_FOLDERS='${(await foldersOfServer()).join(":")}'`;
  const lines = ["#!/bin/bash", folders, `exec -a jailer '${program}' "$@"`, ""];
  await Deno.writeTextFile(path, lines.join("\n"), { mode: 0o755 });
  return path;
}
