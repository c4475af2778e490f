import { type BundleConfig, isObject, type Json, type JsonObject } from "./bundle.ts";
import type { RelayRoot } from "./relay.ts";

/** Folders that the guest's kernel fills: nothing of the host's belongs there. */
const KERNEL_FOLDERS = /^\/(proc|sys|dev)(\/|$)/;

function strings(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function volume({ type, options, source, destination }: JsonObject): RelayRoot["mounts"] {
  const bind = type === "bind" || strings(options).some((word) => /^r?bind$/.test(word));
  if (!bind || typeof source !== "string" || typeof destination !== "string") return [];
  return KERNEL_FOLDERS.test(destination) ? [] : [{ source, destination }];
}

/** What engines shall see of a container's files in its relay's mount namespace. */
export function relayRoot({ rootPath, json }: BundleConfig): RelayRoot {
  const mounts = Array.isArray(json.mounts) ? json.mounts.filter(isObject) : [];
  return { path: rootPath, mounts: mounts.flatMap(volume) };
}
