/** grpc.Spec, as the host sends it, to the runtime specification's config.json. */
import type * as grpc from "../../common/protocol/gen/kata/oci_pb.ts";
import { defined, definedOrNothing, list, map, optionalInt } from "./oci_convert.ts";
import { int } from "./oci_convert.ts";
import { linuxFromGrpc } from "./oci_linux.ts";
import type { OciHook, OciHooks, OciMount, OciProcess, OciSpec } from "./oci_types.ts";

/**
 * The container's configuration, with every field that the host set and none that it left out.
 * Nothing is judged or rewritten here: see spec_rules.ts.
 */
export function specFromGrpc(spec: grpc.Spec): OciSpec {
  return defined({
    ociVersion: spec.Version || "1.0.2",
    process: spec.Process && processFromGrpc(spec.Process),
    root: spec.Root && defined({
      path: spec.Root.Path,
      readonly: spec.Root.Readonly || undefined,
    }),
    hostname: spec.Hostname || undefined,
    mounts: spec.Mounts.map(mountFromGrpc),
    hooks: spec.Hooks && hooksFromGrpc(spec.Hooks),
    annotations: map(spec.Annotations),
    linux: linuxFromGrpc(spec.Linux),
  });
}

/** A process of a container: its init's, or the one to execute. */
export function processFromGrpc(process: grpc.Process): OciProcess {
  return defined({
    terminal: process.Terminal || undefined,
    consoleSize: consoleSize(process.ConsoleSize),
    user: userFromGrpc(process.User),
    args: [...process.Args],
    env: [...process.Env],
    cwd: process.Cwd || "/",
    capabilities: process.Capabilities && capabilities(process.Capabilities),
    rlimits: list(process.Rlimits.map((limit) => ({
      type: limit.Type,
      hard: int(limit.Hard),
      soft: int(limit.Soft),
    }))),
    noNewPrivileges: process.NoNewPrivileges || undefined,
    apparmorProfile: process.ApparmorProfile || undefined,
    // Always written: otherwise the container would inherit the agent's own score.
    oomScoreAdj: Number(process.OOMScoreAdj),
    selinuxLabel: process.SelinuxLabel || undefined,
  });
}

function consoleSize(
  box: grpc.Box | undefined,
): OciProcess["consoleSize"] {
  if (!box || box.Height === 0 || box.Width === 0) return undefined;
  return { height: box.Height, width: box.Width };
}

function userFromGrpc(user: grpc.User | undefined): OciProcess["user"] {
  return defined({
    uid: user?.UID ?? 0,
    gid: user?.GID ?? 0,
    additionalGids: user && list(user.AdditionalGids),
    umask: user?.umask,
  });
}

/** A present message means these sets exactly, empty ones too. */
function capabilities(
  sets: grpc.LinuxCapabilities,
): NonNullable<OciProcess["capabilities"]> {
  return {
    bounding: [...sets.Bounding],
    effective: [...sets.Effective],
    inheritable: [...sets.Inheritable],
    permitted: [...sets.Permitted],
    ambient: [...sets.Ambient],
  };
}

function mountFromGrpc(mount: grpc.Mount): OciMount {
  return defined({
    destination: mount.destination,
    source: mount.source || undefined,
    type: mount.type || undefined,
    options: list(mount.options),
  });
}

function hooksFromGrpc(hooks: grpc.Hooks): OciHooks | undefined {
  return definedOrNothing({
    prestart: list(hooks.Prestart.map(hookFromGrpc)),
    poststart: list(hooks.Poststart.map(hookFromGrpc)),
    poststop: list(hooks.Poststop.map(hookFromGrpc)),
    createRuntime: list(hooks.CreateRuntime.map(hookFromGrpc)),
    createContainer: list(hooks.CreateContainer.map(hookFromGrpc)),
    startContainer: list(hooks.StartContainer.map(hookFromGrpc)),
  });
}

function hookFromGrpc(hook: grpc.Hook): OciHook {
  return defined({
    path: hook.Path,
    args: list(hook.Args),
    env: list(hook.Env),
    timeout: optionalInt(hook.Timeout),
  });
}
