import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { apply, type Record, undo } from "./apply.ts";
import { withoutHandler } from "./containerd_config.ts";
import { type Files, planInstall } from "./plan.ts";

function filesBelow(root: string): Files {
  const read = (path: string): string | undefined => {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return undefined;
    }
  };
  const exists = (path: string): boolean => {
    try {
      return Deno.lstatSync(path) !== undefined;
    } catch {
      return false;
    }
  };
  assert(exists(root));
  return { text: read, exists };
}

/** Every file below a folder with its text, and every link with its target. */
function picture(root: string): globalThis.Record<string, string> {
  const entries = [...Deno.readDirSync(root)].flatMap((entry): [string, string][] => {
    const path = `${root}/${entry.name}`;
    if (entry.isDirectory) return [[path, "folder"], ...Object.entries(picture(path))];
    return [[path, entry.isSymlink ? Deno.readLinkSync(path) : Deno.readTextFileSync(path)]];
  });
  return Object.fromEntries(entries.sort());
}

/** A host with engines, and a build to install. */
function host(): { from: string; destdir: string; [Symbol.dispose](): void } {
  const from = Deno.makeTempDirSync(), destdir = Deno.makeTempDirSync();
  const programs = ["containerd-shim-kata-v2", "kata-relay", "kata-private-ram.so"];
  const names = [...programs, "vmlinux", "initrd.img", "config.toml"];
  for (const name of names) Deno.writeTextFileSync(`${from}/${name}`, name);
  for (const folder of ["containerd", "crio", "containers"]) {
    Deno.mkdirSync(`${destdir}/etc/${folder}`, { recursive: true });
  }
  Deno.writeTextFileSync(`${destdir}/etc/containerd/config.toml`, "version = 2\n# mine");
  const dispose = (): void =>
    [from, destdir].forEach((path) => Deno.removeSync(path, { recursive: true }));
  return { from, destdir, [Symbol.dispose]: dispose };
}

function install({ from, destdir }: { from: string; destdir: string }): Record[] {
  const places = { from, destdir, prefix: "/opt/kata", links: "/usr/local/bin" };
  return planInstall(places, filesBelow(destdir)).actions.flatMap(apply);
}

function uninstall(records: readonly Record[]): string[] {
  return records.toReversed().map((each) => undo(each, withoutHandler)).filter((line) =>
    line !== undefined
  );
}

Deno.test("install, twice, and uninstall leave every file as it was, byte for byte", () => {
  using place = host();
  const before = picture(place.destdir);
  const first = install(place);
  const installed = picture(place.destdir);
  assertEquals(installed[`${place.destdir}/opt/kata/vmlinux`], "vmlinux");
  assertEquals(
    installed[`${place.destdir}/usr/local/bin/kata-runtime`],
    "/opt/kata/kata-runtime",
  );
  assertStringIncludes(
    installed[`${place.destdir}/etc/containerd/config.toml`] ?? "",
    "containerd.runtimes.kata]",
  );
  const second = install(place);
  assertEquals(second, []);
  assertEquals(picture(place.destdir), installed);
  assertEquals(uninstall(first), []);
  assertEquals(picture(place.destdir), before);
});

Deno.test("uninstall keeps what was changed after install, and an administrator's own files", () => {
  using place = host();
  const config = `${place.destdir}/etc/containerd/config.toml`;
  const own = `${place.destdir}/etc/kata-containers`;
  Deno.mkdirSync(own);
  Deno.writeTextFileSync(`${own}/configuration.toml`, "# mine");
  const records = install(place);
  Deno.writeTextFileSync(config, "\n[debug]\n", { append: true });
  const [told = "", ...others] = uninstall(records);
  assertStringIncludes(told, "was changed since");
  assertEquals(others, []);
  assertEquals(Deno.readTextFileSync(config), "version = 2\n# mine\n\n[debug]\n");
  assertEquals(Deno.readTextFileSync(`${own}/configuration.toml`), "# mine");
});
