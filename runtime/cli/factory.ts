import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { setPriority } from "../../common/linux/process.ts";
import { VERSION } from "../../common/base/version.ts";
import { loadConfig, type RuntimeConfig } from "../config/load.ts";
import { buildTemplate } from "../factory/build.ts";
import { templateOf, whyNotCloned } from "../factory/start_vm.ts";
import { templateKey } from "../factory/template_key.ts";
import type { TemplateManifest } from "../factory/template_manifest.ts";
import { TemplateStore } from "../factory/template_store.ts";
import { spawnMaker } from "../factory/maker.ts";
import { withProgress } from "./progress.ts";
import { createHypervisor } from "../hypervisor/drivers.ts";
import { recentFailure } from "../sandbox/spare_failure.ts";
import { endSpare, listSpares } from "../sandbox/spare_record.ts";
import { templateSpec } from "../sandbox/template_spec.ts";
import { readConfig } from "./maker_input.ts";
import { joinCgroup } from "../shim/shim_cgroup.ts";

/** Longest build, on a busy host with an emulated guest. */
const BUILD_MS = 15 * 60 * 1000;
/** A builder gives way to pods. */
const NICE = 10;
const BYTES_PER_MIB = 1024 * 1024, BLOCK_BYTES = 512;

const USAGE = "factory init|destroy|status [--config FILE] [--json]";

/** `kata-runtime factory`: makes, removes and describes VM templates. */
export async function factory(args: readonly string[], path?: string): Promise<string> {
  const [action, ...words] = args;
  const rest = words.filter((word) => word !== "--json"), asJson = rest.length < words.length;
  switch (action) {
    case "init":
      return await init(configOf(rest, path), asJson);
    case "destroy":
      return await destroy(configOf(rest, path), asJson);
    case "status":
      return await status(configOf(rest, path), asJson);
    case "build":
      return await buildInBackground();
    case "spare":
      return await (await import("./spare.ts")).keepSpare();
    default:
      throw new RuntimeError(Code.InvalidArgument, `Usage: kata-runtime ${USAGE}`);
  }
}

function configOf(args: readonly string[], path: string | undefined): RuntimeConfig {
  if (args.length === 0) return loadConfig({ path });
  const [flag, own, ...surplus] = args;
  if (flag === "--config" && own && surplus.length === 0) return loadConfig({ path: own });
  throw new RuntimeError(Code.InvalidArgument, `Usage: kata-runtime ${USAGE}`);
}

async function init(config: RuntimeConfig, asJson: boolean): Promise<string> {
  const built = await withProgress("building the template", () => build(config));
  if (built === undefined) {
    throw new RuntimeError(Code.FailedPrecondition, "Another process builds a template just now");
  }
  for (const surplus of (await listSpares()).slice(config.factory.vmCacheNumber)) {
    await endSpare(surplus);
  }
  await wantSpares(config);
  return asJson ? jsonText(built) : `${describe(built)}\n`;
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** @returns The template, old or new; `undefined` where another process is at it. */
async function build(config: RuntimeConfig): Promise<TemplateManifest | undefined> {
  const hypervisor = createHypervisor(config.hypervisor);
  const spec = templateOf(templateSpec(config), hypervisor.capabilities);
  const why = whyNotCloned(config, hypervisor, { spec, base: spec });
  if (why) throw new RuntimeError(Code.FailedPrecondition, `Cannot build a template: ${why}`);
  const store = new TemplateStore(config.factory.templatePath);
  using lock = store.lock();
  if (!lock) return undefined;
  const key = await templateKey(config.hypervisor, spec, VERSION);
  const there = await store.open(key.key);
  if (typeof there !== "string") return there.manifest;
  return await buildTemplate(store, { hypervisor, spec, key }, AbortSignal.timeout(BUILD_MS));
}

async function destroy(config: RuntimeConfig, asJson: boolean): Promise<string> {
  const store = new TemplateStore(config.factory.templatePath);
  using lock = store.lock();
  if (!lock) {
    throw new RuntimeError(Code.FailedPrecondition, "Another process builds a template just now");
  }
  const keys = await store.clear();
  for (const spare of await listSpares()) await endSpare(spare);
  if (asJson) return jsonText({ removed: keys });
  return `removed ${keys.length === 1 ? "one template" : `${keys.length} templates`}\n`;
}

async function status(config: RuntimeConfig, asJson: boolean): Promise<string> {
  const { hypervisor: settings, factory } = config;
  const store = new TemplateStore(factory.templatePath);
  const hypervisor = createHypervisor(settings);
  const spec = templateOf(templateSpec(config), hypervisor.capabilities);
  const why = whyNotCloned(config, hypervisor, { spec, base: spec });
  const { key, about } = await templateKey(settings, spec, VERSION);
  const all = await store.list(), failure = await store.recentFailure(key);
  const spares = (await listSpares()).map(({ key }) => key), spareFailure = recentFailure();
  if (asJson) {
    const on = why === undefined, folder = factory.templatePath;
    const wanted = { key, about };
    return jsonText({ on, why, folder, wanted, templates: all, failure, spares, spareFailure });
  }
  const lines = all.map((one) => `${one.key === key ? "current" : "other  "}  ${describe(one)}`);
  return [
    `templates  ${why === undefined ? `on, in ${factory.templatePath}` : `off: ${why}`}`,
    `wanted     ${key}  ${about}`,
    ...lines,
    ...(failure === undefined ? [] : [`failed     ${failure}`]),
    `spare VMs  ${spares.length} of ${factory.vmCacheNumber}`,
    ...(spareFailure === undefined ? [] : [`failed     ${spareFailure}`]),
    "",
  ].join("\n");
}

function describe({ key, about, builtAt, memoryBlocks }: TemplateManifest): string {
  const mib = Math.round(memoryBlocks * BLOCK_BYTES / BYTES_PER_MIB);
  return `${key}  ${about}, ${mib} MiB kept, built ${new Date(builtAt).toISOString()}`;
}

/** Whatever has a template may have VMs of it that stand ready: the first one sees to the rest. */
async function wantSpares(config: RuntimeConfig): Promise<void> {
  if (config.factory.vmCacheNumber === 0) return;
  // deno-lint-ignore require-await -- what it throws is to reject
  await spawnMaker("spare", config, async (pid) => joinCgroup("/", pid));
}

/** What a start's builder does: as gently as it can, and once only. */
async function buildInBackground(): Promise<string> {
  stepBack();
  const config = await readConfig();
  const store = new TemplateStore(config.factory.templatePath);
  const { capabilities } = createHypervisor(config.hypervisor);
  const spec = templateOf(templateSpec(config), capabilities);
  const { key } = await templateKey(config.hypervisor, spec, VERSION);
  if (await store.recentFailure(key) === undefined) await build(config);
  await wantSpares(config);
  return "";
}

/** The template is the node's, not the pod's whose start asked for it. */
function stepBack(): void {
  setPriority(NICE);
  try {
    joinCgroup("/", Deno.pid);
  } catch (error) {
    log.warn("The builder stays in its pod's cgroup", { reason: messageOf(error) });
  }
}
