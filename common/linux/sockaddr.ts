import { O, open } from "./fd.ts";
import { OwnedFd } from "./owned_fd.ts";

export const AF_UNIX = 1, AF_VSOCK = 40;

/** Room in sockaddr_un for a path and its NUL. Source: linux/un.h. */
const UNIX_PATH_BYTES = 108;
/** Source: linux/vm_sockets.h. */
const SOCKADDR_VM_BYTES = 16;

/** A Unix socket's address; dispose when bound or connected. */
export interface UnixAddress extends Disposable {
  readonly bytes: Uint8Array;
}

/**
 * Encodes a path as sockaddr_un. One that does not fit is reached through a descriptor of its folder.
 * @throws {SyscallError} The path is too long and its folder cannot be opened.
 */
export function unixAddress(path: string): UnixAddress {
  const direct = encodeUnix(path);
  if (direct) return { bytes: direct, [Symbol.dispose]: () => {} };
  const slash = path.lastIndexOf("/");
  const folder = new OwnedFd(open(path.slice(0, slash) || ".", O.PATH | O.DIRECTORY));
  const bytes = encodeUnix(`/proc/self/fd/${folder.fd}/${path.slice(slash + 1)}`);
  if (bytes) return { bytes, [Symbol.dispose]: () => folder.close() };
  folder.close();
  throw new RangeError(`The name of the socket "${path}" is too long`);
}

function encodeUnix(path: string): Uint8Array | undefined {
  const name = new TextEncoder().encode(path);
  if (name.length === 0 || name.includes(0)) throw new TypeError(`Not a socket's path: "${path}"`);
  if (name.length >= UNIX_PATH_BYTES) return undefined;
  const bytes = new Uint8Array(2 + name.length + 1);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, 2);
  return bytes;
}

/** Encodes a name without a file as sockaddr_un. Source: unix(7), "abstract". */
export function abstractAddress(name: string): Uint8Array {
  const text = new TextEncoder().encode(name);
  if (text.length >= UNIX_PATH_BYTES) throw new RangeError(`The name "${name}" is too long`);
  const bytes = new Uint8Array(2 + 1 + text.length);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(text, 3);
  return bytes;
}

/** Encodes sockaddr_vm: family, port and cid, host byte order. */
export function vsockAddress(cid: number, port: number): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_VM_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_VSOCK, true);
  view.setUint32(4, port, true);
  view.setUint32(8, cid, true);
  return bytes;
}
