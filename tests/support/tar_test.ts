import { assertEquals, assertThrows } from "@std/assert";
import { output } from "../../tools/lib/command.ts";
import { packTar } from "./tar.ts";

Deno.test("tar(1) reads what packTar wrote: files, folders, links, modes", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const archive = packTar([
      { kind: "directory", path: "bin/", mode: 0o755 },
      { kind: "file", path: "bin/a", mode: 0o750, content: new Uint8Array(1000).fill(65) },
      { kind: "link", path: "bin/b", mode: 0o777, target: "/bin/a" },
    ]);
    await Deno.writeFile(`${directory}/a.tar`, archive);
    const list = await output(["tar", "-tvf", `${directory}/a.tar`, "--utc"]);
    const lines = list.trim().split("\n").map((line) => line.replaceAll(/\s+/g, " "));
    assertEquals(lines, [
      "drwxr-xr-x 0/0 0 1970-01-01 00:00 bin/",
      "-rwxr-x--- 0/0 1000 1970-01-01 00:00 bin/a",
      "lrwxrwxrwx 0/0 0 1970-01-01 00:00 bin/b -> /bin/a",
    ]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("packTar refuses a path that its header cannot hold", () => {
  assertThrows(
    () => packTar([{ kind: "directory", path: "a".repeat(101), mode: 0o755 }]),
    Error,
    "longer than",
  );
});
