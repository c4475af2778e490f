import { messageOf } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { type BundleConfig, isObject, type Json, type JsonObject } from "./bundle.ts";
import { type Hook, type HookState, invalid, parseHook, runHook } from "./hook.ts";

/**
 * Hooks that run on the host. `createContainer` belongs into the container's namespaces, but names a program of the
 * host: it runs where both bundle and program are. `startContainer` names one of the container and goes to the guest.
 * Source: runtime-spec config.md, "POSIX-platform Hooks".
 */
const HOST_HOOKS = [
  "prestart",
  "createRuntime",
  "createContainer",
  "poststart",
  "poststop",
] as const;
type HostHook = typeof HOST_HOOKS[number];

/** More of one kind are a mistake or worse. */
const MAX_HOOKS = 64;

/** The bundle's container, as its hooks are told of it. */
type Subject = Omit<HookState, "status" | "pid">;

function hooksOf(all: Json, kind: HostHook): Hook[] {
  if (!isObject(all)) throw invalid("hooks", "an object");
  const list = all[kind] ?? [];
  if (!Array.isArray(list)) throw invalid(`hooks.${kind}`, "a list");
  if (list.length > MAX_HOOKS) throw invalid(`hooks.${kind}`, `at most ${MAX_HOOKS} hooks`);
  return list.map((hook, index) => parseHook(hook, `hooks.${kind}[${index}]`));
}

/** What a container's bundle wants run on the host at the moments of its life. */
export class ContainerHooks {
  readonly #subject: Subject;
  /** Each moment comes once. */
  #made = false;
  #over = false;
  readonly #hooks: Readonly<Record<HostHook, readonly Hook[]>>;

  private constructor(subject: Subject, hooks: Readonly<Record<HostHook, readonly Hook[]>>) {
    this.#subject = subject;
    this.#hooks = hooks;
  }

  /** Reads them all, so that a faulty one is refused before anything is done. @throws {RuntimeError} InvalidArgument. */
  static parse({ json, annotations }: BundleConfig, id: string, bundle: string): ContainerHooks {
    const { hooks = {}, ociVersion } = json;
    const of = (kind: HostHook): Hook[] => hooksOf(hooks ?? {}, kind);
    return new ContainerHooks(
      { ociVersion: typeof ociVersion === "string" ? ociVersion : "", id, bundle, annotations },
      {
        prestart: of("prestart"),
        createRuntime: of("createRuntime"),
        createContainer: of("createContainer"),
        poststart: of("poststart"),
        poststop: of("poststop"),
      },
    );
  }

  /**
   * While the container is being made: its network namespace exists, and `pid` lives in it.
   * @param pid Of the process that stands for the container's init on the host.
   * @throws {RuntimeError} The first that fails; those behind it do not run.
   */
  async creating(pid: number, signal: AbortSignal): Promise<void> {
    if (this.#made) return;
    this.#made = true;
    for (const kind of ["prestart", "createRuntime", "createContainer"] as const) {
      await this.#run(kind, { ...this.#subject, status: "creating", pid }, signal);
    }
  }

  /** Once the container's own process runs. @throws {RuntimeError} As for {@linkcode creating}. */
  async started(pid: number): Promise<void> {
    await this.#run("poststart", { ...this.#subject, status: "running", pid });
  }

  /** When the container is gone. What fails is logged, and the others run all the same. */
  async stopped(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    const state: HookState = { ...this.#subject, status: "stopped" };
    for (const hook of this.#hooks.poststop) {
      try {
        await runHook("poststop", hook, state);
      } catch (error) {
        log.warn("A hook failed", { reason: messageOf(error) });
      }
    }
  }

  async #run(kind: HostHook, state: HookState, signal?: AbortSignal): Promise<void> {
    for (const hook of this.#hooks[kind]) await runHook(kind, hook, state, signal);
  }
}

/** What of a bundle's hooks the guest's runtime runs, in the container's namespaces. */
export function guestHooks(hooks: Json | undefined): JsonObject | undefined {
  if (!isObject(hooks) || !Array.isArray(hooks.startContainer)) return undefined;
  return hooks.startContainer.length > 0 ? { startContainer: hooks.startContainer } : undefined;
}
