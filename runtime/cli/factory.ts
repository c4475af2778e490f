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
import { createHypervisor } from "../hypervisor/drivers.ts";
import { templateSpec } from "../sandbox/template_spec.ts";
import { joinCgroup } from "../shim/shim_cgroup.ts";

/** Longest build, on a busy host with an emulated guest. */
const BUILD_MS = 15 * 60 * 1000;
/** A builder gives way to pods. */
const NICE = 10;
const MAX_CONFIG_BYTES = 1024 * 1024;
const BYTES_PER_MIB = 1024 * 1024, BLOCK_BYTES = 512;

const USAGE = "factory init|destroy|status [--config FILE]";

/** `kata-runtime factory`: makes, removes and describes VM templates. */
export async function factory(args: readonly string[], path?: string): Promise<string> {
  const [action, ...rest] = args;
  switch (action) {
    case "init":
      return await init(configOf(rest, path));
    case "destroy":
      return await destroy(configOf(rest, path));
    case "status":
      return await status(configOf(rest, path));
    case "build":
      return await buildInBackground();
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

async function init(config: RuntimeConfig): Promise<string> {
  const built = await build(config);
  if (built === undefined) {
    throw new RuntimeError(Code.FailedPrecondition, "Another process builds a template just now");
  }
  return `${describe(built)}\n`;
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

async function destroy(config: RuntimeConfig): Promise<string> {
  const store = new TemplateStore(config.factory.templatePath);
  using lock = store.lock();
  if (!lock) {
    throw new RuntimeError(Code.FailedPrecondition, "Another process builds a template just now");
  }
  const keys = await store.clear();
  return `removed ${keys.length === 1 ? "one template" : `${keys.length} templates`}\n`;
}

async function status(config: RuntimeConfig): Promise<string> {
  const { hypervisor: settings, factory } = config;
  const store = new TemplateStore(factory.templatePath);
  const hypervisor = createHypervisor(settings);
  const spec = templateOf(templateSpec(config), hypervisor.capabilities);
  const why = whyNotCloned(config, hypervisor, { spec, base: spec });
  const { key, about } = await templateKey(settings, spec, VERSION);
  const lines = (await store.list()).map((one) =>
    `${one.key === key ? "current" : "other  "}  ${describe(one)}`
  );
  const failure = await store.recentFailure(key);
  return [
    `templates  ${why === undefined ? `on, in ${factory.templatePath}` : `off: ${why}`}`,
    `wanted     ${key}  ${about}`,
    ...lines,
    ...(failure === undefined ? [] : [`failed     ${failure}`]),
    "",
  ].join("\n");
}

function describe({ key, about, builtAt, memoryBlocks }: TemplateManifest): string {
  const mib = Math.round(memoryBlocks * BLOCK_BYTES / BYTES_PER_MIB);
  return `${key}  ${about}, ${mib} MiB kept, built ${new Date(builtAt).toISOString()}`;
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

async function readConfig(): Promise<RuntimeConfig> {
  const parts: string[] = [];
  let length = 0;
  for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    length += part.length;
    if (length > MAX_CONFIG_BYTES) throw new RangeError("The configuration is too long");
    parts.push(part);
  }
  return JSON.parse(parts.join("")) as RuntimeConfig;
}
