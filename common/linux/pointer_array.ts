import { cString } from "./libc.ts";

/** A NULL-terminated array of C strings, as exec(3) takes. Keep the whole object while the pointers are in use. */
export interface PointerArray {
  readonly pointers: Uint8Array;
  readonly strings: Uint8Array;
}

/** Lays out strings in one buffer, so that nothing is moved or collected while C looks at it. */
export function pointerArray(values: readonly string[]): PointerArray {
  const encoded = values.map(cString);
  const strings = new Uint8Array(encoded.reduce((sum, value) => sum + value.length, 1));
  const base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(strings));
  const pointers = new BigUint64Array(values.length + 1);
  let offset = 0;
  for (const [index, value] of encoded.entries()) {
    strings.set(value, offset);
    pointers[index] = base + BigInt(offset);
    offset += value.length;
  }
  return { pointers: new Uint8Array(pointers.buffer), strings };
}
