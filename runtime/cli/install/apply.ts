import { exists } from "../../../common/base/exists.ts";
import type { Action } from "./plan.ts";

/** What install has done, so that uninstall can undo it. */
export type Record =
  | { readonly kind: "made"; readonly path: string; readonly what: "file" | "link" | "folder" }
  /** Held this text after the edit; a copy of what it was before is beside it. */
  | {
    readonly kind: "edited";
    readonly path: string;
    readonly backup: string;
    readonly text: string;
  };

/** Replaces a file whole or not at all, and says it as it was. */
function replace(path: string, write: (partial: string) => void): void {
  const partial = `${path}.kata-new`;
  try {
    Deno.removeSync(partial);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  write(partial);
  Deno.renameSync(partial, path);
}

function makeFolders(path: string): Record[] {
  if (exists(path)) return [];
  const parent = path.slice(0, path.lastIndexOf("/"));
  const above = parent === "" ? [] : makeFolders(parent);
  Deno.mkdirSync(path, { mode: 0o755 });
  return [...above, { kind: "made", path, what: "folder" }];
}

function edit(path: string, text: string): Record[] {
  const backup = `${path}.before-kata`;
  if (!exists(backup)) Deno.copyFileSync(path, backup);
  const { mode } = Deno.statSync(path);
  replace(
    path,
    (partial) => Deno.writeTextFileSync(partial, text, { mode: (mode ?? 0o644) & 0o777 }),
  );
  return [{ kind: "edited", path, backup, text }];
}

/** Does one thing. @returns What was done that was not so before. */
export function apply(action: Action): Record[] {
  const { path } = action, isNew = !exists(path);
  switch (action.kind) {
    case "folder":
      return makeFolders(path);
    case "copy":
      if (action.from === path) return [];
      replace(path, (partial) => Deno.copyFileSync(action.from, partial));
      return isNew ? [{ kind: "made", path, what: "file" }] : [];
    case "link":
      replace(path, (partial) => Deno.symlinkSync(action.target, partial));
      return isNew ? [{ kind: "made", path, what: "link" }] : [];
    case "write":
      replace(path, (partial) => Deno.writeTextFileSync(partial, action.text, { mode: 0o644 }));
      return [{ kind: "made", path, what: "file" }];
    case "edit":
      return edit(path, action.text);
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Undoes one thing. A file that was changed since the edit keeps those changes.
 * @param withoutOurs Takes our part out of such a file.
 * @returns What stays, if anything does.
 */
export function undo(record: Record, withoutOurs: (text: string) => string): string | undefined {
  const { path } = record;
  if (!exists(path)) return undefined;
  if (record.kind === "edited") return undoEdit(record, withoutOurs);
  if (record.what !== "folder") {
    remove(path);
    return undefined;
  }
  if ([...Deno.readDirSync(path)].length > 0) return `${path} stays: it is not empty`;
  remove(path);
  return undefined;
}

function undoEdit(
  { path, backup, text }: Record & { kind: "edited" },
  withoutOurs: (text: string) => string,
): string | undefined {
  const now = Deno.readTextFileSync(path);
  if (now === text) {
    Deno.renameSync(backup, path);
    return undefined;
  }
  const { mode } = Deno.statSync(path);
  const bare = withoutOurs(now);
  replace(
    path,
    (partial) => Deno.writeTextFileSync(partial, bare, { mode: (mode ?? 0o644) & 0o777 }),
  );
  remove(backup);
  return `${path} was changed since: only what install had added is gone`;
}
