/** Makes an API server look like the VMM's own program. */
import { denoConfig } from "../support/deno_config.ts";

/** The VMMs that have a conforming server here. */
export type ServedVmm = "cloud_hypervisor" | "firecracker";

/** As the VMMs' own processes are called. */
const PROGRAM_NAMES = {
  cloud_hypervisor: "cloud-hypervisor",
  firecracker: "firecracker",
} as const;

/**
 * Writes a program that is the VMM to whoever starts it.
 * @param folder An existing one; it gets one file.
 * @param version What it says of itself; a recent one when absent.
 * @returns Its path.
 */
export async function vmmProgram(
  vmm: ServedVmm,
  folder: string,
  version?: string,
): Promise<string> {
  const path = `${folder}/${vmm}`;
  const server = new URL(`./${vmm}.ts`, import.meta.url).pathname;
  const variables = ["PATH", "DENO_DIR", "HOME", "KATA_REFERENCE_DIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [`export ${name}='${value}'`];
  });
  if (version !== undefined) variables.push(`export KATA_TEST_VMM_VERSION='${version}'`);
  const flags = `run --quiet --no-check -A --config '${denoConfig()}'`;
  const run = `exec -a ${PROGRAM_NAMES[vmm]} '${Deno.execPath()}' ${flags} '${server}' "$@"`;
  await Deno.writeTextFile(path, ["#!/bin/bash", ...variables, run, ""].join("\n"), {
    mode: 0o755,
  });
  return path;
}
