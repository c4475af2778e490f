/** IP addresses as text and as bytes: four for version 4, sixteen for version 6. */

const V4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** @returns `undefined`: not an IPv4 address in dotted decimals. */
function parseV4(text: string): Uint8Array | undefined {
  const match = V4.exec(text);
  if (!match) return undefined;
  const bytes = new Uint8Array(4);
  for (let at = 0; at < 4; at++) {
    const number = Number(match[at + 1]);
    if (number > 255) return undefined;
    bytes[at] = number;
  }
  return bytes;
}

/** The 16-bit groups of one side of `::`; the last may be an IPv4 address. */
function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const words = text.split(":");
  const v4 = words.at(-1)?.includes(".") ? parseV4(words.pop() ?? "") : undefined;
  if (!words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word))) return undefined;
  const tail = v4 ? [(v4[0] ?? 0) << 8 | (v4[1] ?? 0), (v4[2] ?? 0) << 8 | (v4[3] ?? 0)] : [];
  return [...words.map((word) => parseInt(word, 16)), ...tail];
}

function parseV6(text: string): Uint8Array | undefined {
  const sides = text.split("::");
  if (sides.length > 2) return undefined;
  const [head, tail] = sides.map(groupsOf);
  if (!head || (sides.length === 2 && !tail)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (sides.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail ?? []];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** The bytes of an address, without zone or prefix length. @returns `undefined`: it is none. */
export function parseIp(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

/** Where the longest run of two zero groups or more is. Source: RFC 5952, section 4.2. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** An address as people write it. @throws {RangeError} Neither 4 nor 16 bytes. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new RangeError(`An IP address of ${bytes.length} bytes`);
  const groups = Array.from(
    { length: 8 },
    (_, at) => (bytes[2 * at] ?? 0) << 8 | (bytes[2 * at + 1] ?? 0),
  );
  const { start, length } = longestZeros(groups);
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (start === -1) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** Six bytes as `02:00:00:00:00:01`; any length. */
export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** @returns `undefined`: not six bytes in hexadecimal. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return undefined;
  return Uint8Array.from(text.split(":"), (byte) => parseInt(byte, 16));
}
