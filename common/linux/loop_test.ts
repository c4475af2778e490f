import { assertEquals, assertThrows } from "@std/assert";
import { exists } from "../base/exists.ts";
import { LoopDevice } from "./loop.ts";
import { SyscallError } from "./syscall_error.ts";

const ready = Deno.uid() === 0 && exists("/dev/loop-control");

function backingFile(path: string): string {
  const name = path.replace("/dev/", "");
  try {
    return Deno.readTextFileSync(`/sys/block/${name}/loop/backing_file`).trim();
  } catch {
    return ""; // it has none
  }
}

Deno.test({
  name: "LoopDevice shows a file's bytes, grows with it, and ends with its last user",
  ignore: !ready,
  async fn() {
    const folder = await Deno.makeTempDir();
    const file = `${folder}/image`;
    try {
      await Deno.writeFile(file, new Uint8Array(65536).fill(7));
      const device = LoopDevice.attach(file, { readonly: true });
      const sectors = (): string =>
        Deno.readTextFileSync(`/sys/block/${device.path.replace("/dev/", "")}/size`).trim();
      assertEquals([backingFile(device.path), sectors()], [file, "128"]);
      const user = await Deno.open(device.path);
      device[Symbol.dispose]();
      await Deno.truncate(file, 131072);
      device.grown();
      assertEquals(sectors(), "256");
      const bytes = new Uint8Array(4);
      await user.read(bytes);
      assertEquals(bytes, new Uint8Array(4).fill(7));
      user.close();
      assertEquals(backingFile(device.path), "");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "LoopDevice says which file it cannot take",
  ignore: !ready,
  fn() {
    const attach = (): LoopDevice => LoopDevice.attach("/nonexistent", { readonly: true });
    assertThrows(attach, SyscallError, "/nonexistent");
  },
});
