import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { extractKernel, locatePayload } from "./kernel_image.ts";
import { runForOutput } from "./command.ts";
import { makeElf } from "./testing/make_elf.ts";

const KERNEL = makeElf({ note: { owner: "Xen", type: 18, data: new Uint8Array(4) } });

/** A bzImage with one setup sector, whose payload lies 16 bytes into the protected-mode code. */
function makeImage(payload: Uint8Array): Uint8Array {
  const image = new Uint8Array(1024 + 16 + payload.length + 100).fill(0xee);
  const view = new DataView(image.buffer);
  view.setUint8(0x1f1, 1);
  image.set(new TextEncoder().encode("HdrS"), 0x202);
  view.setUint16(0x206, 0x20f, true);
  view.setUint32(0x248, 16, true);
  view.setUint32(0x24c, payload.length, true);
  image.set(payload, 1040);
  return image;
}

for (
  const [name, command] of Object.entries({
    xz: ["xz", "-c"],
    zstd: ["zstd", "-cq"],
    gzip: ["gzip", "-c"],
  })
) {
  Deno.test(`extractKernel unpacks ${name}, with bytes behind the stream`, async () => {
    const packed = await runForOutput(command, { stdin: KERNEL });
    const payload = new Uint8Array([...packed, 1, 2, 3, 4]); // the kernel's build appends the size
    assertEquals(await extractKernel(makeImage(payload), "x"), KERNEL);
  });
}

Deno.test("extractKernel takes an ELF kernel as it is", async () => {
  assertEquals(await extractKernel(KERNEL, "x"), KERNEL);
});

Deno.test("extractKernel refuses what a VMM could not start, and names it", async () => {
  const cause = async (image: Uint8Array): Promise<unknown> =>
    (await assertRejects(
      () => extractKernel(image, "k"),
      Error,
      'Cannot take the kernel out of "k"',
    )).cause;
  assertEquals(`${await cause(makeElf({}))}`, "Error: no PVH entry (CONFIG_PVH is off)");
  assertEquals(`${await cause(new Uint8Array(2000))}`, "Error: not a bzImage: no HdrS header");
  assertEquals(
    `${await cause(makeImage(new Uint8Array(9)))}`,
    "Error: unknown compression, first bytes 0,0,0,0,0,0",
  );
});

Deno.test("locatePayload refuses a payload beyond the end", () => {
  assertThrows(
    () => locatePayload(makeImage(new Uint8Array(500)).subarray(0, 1100)),
    Error,
    "beyond its end",
  );
});
