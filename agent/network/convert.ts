/** Between what the host names and what the kernel takes; the host's texts are checked here. */
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { parseIp, parseMac } from "../../common/linux/ip_address.ts";

function invalid(value: string, what: string): RuntimeError {
  return new RuntimeError(
    Code.InvalidArgument,
    `${JSON.stringify(value.slice(0, 128))} is not ${what}`,
  );
}

/** @throws {RuntimeError} InvalidArgument. */
export function ipFrom(text: string): Uint8Array {
  const bytes = parseIp(text);
  if (bytes) return bytes;
  throw invalid(text, "an IP address");
}

/** @returns `undefined` for an empty text. @throws {RuntimeError} InvalidArgument. */
export function optionalIp(text: string): Uint8Array | undefined {
  return text === "" ? undefined : ipFrom(text);
}

/** @throws {RuntimeError} InvalidArgument. */
export function macFrom(text: string): Uint8Array {
  const bytes = parseMac(text);
  if (bytes) return bytes;
  throw invalid(text, "a hardware address");
}

/** A prefix's address and length, such as `10.0.0.0/24`; without a length it is one address. */
export interface Prefix {
  readonly address: Uint8Array;
  readonly length: number;
}

/** @throws {RuntimeError} InvalidArgument. */
export function prefixFrom(text: string): Prefix {
  const [address = "", mask, more] = text.split("/");
  const bytes = ipFrom(address);
  if (more !== undefined) throw invalid(text, "an IP prefix");
  return { address: bytes, length: mask === undefined ? bytes.length * 8 : maskFrom(mask, bytes) };
}

/** @throws {RuntimeError} InvalidArgument: not a prefix length of such an address. */
export function maskFrom(text: string, address: Uint8Array): number {
  const length = /^\d{1,3}$/.test(text) ? Number(text) : NaN;
  if (length <= address.length * 8) return length;
  throw invalid(text, "the length of an IP prefix");
}

/** What the kernel takes as an interface's name. Source: dev_valid_name(). @throws {RuntimeError} InvalidArgument. */
export function interfaceName(text: string): string {
  // deno-lint-ignore no-control-regex -- white space and control characters are what is refused
  if (/^[^\s/:\x00-\x20\x7f]{1,15}$/.test(text) && text !== "." && text !== "..") return text;
  throw invalid(text, "the name of an interface");
}
