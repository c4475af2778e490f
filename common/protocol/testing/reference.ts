/**
 * Descriptions of the real peers' interfaces, which tests compare with and the product never needs. They are not part
 * of this repository; tests that need an absent one are skipped and say so.
 */
const repository = `${import.meta.dirname}/../../..`;

/** The folder that has them; `KATA_REFERENCE_DIR` names another one. */
const FOLDER = Deno.env.get("KATA_REFERENCE_DIR") ?? `${repository}/../shared`;

/** Why a test is skipped. */
export const NO_REFERENCE = "not tried: not found in KATA_REFERENCE_DIR";

/** The path of one of them, such as "contract/kata-agent.binpb". */
export function referencePath(name: string): string {
  return `${FOLDER}/${name}`;
}
