/** What the guest's first program does. Machine code for x86-64. */
export const INIT_PROGRAMS = {
  /** for (;;) pause(); */
  wait: "b8220000000f05ebf7",
  /** exit(0): Linux panics when its first process ends. */
  panic: "31ffb83c0000000f05",
  /** reboot(LINUX_REBOOT_CMD_POWER_OFF) */
  powerOff: "b8a9000000bfaddee1febe69191228badcfe21430f05ebfe",
} as const;

const LOAD_ADDRESS = 0x400000;
const HEADERS_BYTES = 64 + 56;

/** An initrd (cpio, "newc") of one program of a few bytes, so that tests need nothing but a kernel. */
export function tinyInitrd(program: keyof typeof INIT_PROGRAMS): Uint8Array<ArrayBuffer> {
  const init = staticElf(Uint8Array.fromHex(INIT_PROGRAMS[program]));
  return concat([entry("init", 0o100755, init), entry("TRAILER!!!", 0, new Uint8Array())]);
}

/** Source: elf(5). One loaded segment, whole file. */
function staticElf(code: Uint8Array): Uint8Array {
  const size = HEADERS_BYTES + code.length;
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const shorts = [[16, 2], [18, 62], [52, 64], [54, 56], [56, 1]] as const;
  for (const [offset, value] of shorts) view.setUint16(offset, value, true);
  for (const [offset, value] of [[20, 1], [64, 1], [68, 5]] as const) {
    view.setUint32(offset, value, true);
  }
  const longs = [
    [24, LOAD_ADDRESS + HEADERS_BYTES],
    [32, 64],
    [80, LOAD_ADDRESS],
    [88, LOAD_ADDRESS],
    [96, size],
    [104, size],
    [112, 0x1000],
  ] as const;
  for (const [offset, value] of longs) view.setBigUint64(offset, BigInt(value), true);
  file.set(code, HEADERS_BYTES);
  return file;
}

/** Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst. */
function entry(name: string, mode: number, content: Uint8Array): Uint8Array {
  const fields = [1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = "070701" + fields.map((field) => field.toString(16).padStart(8, "0")).join("") +
    name + "\0";
  return concat([padded(new TextEncoder().encode(header)), padded(content)]);
}

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  whole.set(bytes);
  return whole;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
