/** Makes gen/ from protos/: `tools/deno run -A tests/support/cri/generate.ts`. */
import { generate } from "../../../common/protocol/generate.ts";
import { ROOT } from "../../../tools/lib/paths.ts";

/** This folder. */
const FOLDER = `${ROOT}/tests/support/cri`;

if (import.meta.main) await generate(`${FOLDER}/gen`, false, FOLDER);
