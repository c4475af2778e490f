import { output } from "./command.ts";
import { DIST } from "./paths.ts";

/** Longest build, on a busy machine. */
const TEMPLATE_MS = 15 * 60 * 1000;

/**
 * Builds the VM template, unless there is one: the first start would have it built in the background, at the expense of
 * those that follow.
 * @param config Path of a configuration. Default: the built program's own.
 */
export async function buildTemplate(config?: string): Promise<void> {
  const flags = config === undefined ? [] : ["--config", config];
  await output([`${DIST}/kata-runtime`, "factory", "init", ...flags], { timeoutMs: TEMPLATE_MS });
}
