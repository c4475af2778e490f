/** The bpf(2) system call, as far as programs of a few instructions need it. Source: linux/bpf.h, bpf(2). */
import { errno, libcFunction } from "./libc.ts";
import { OwnedFd } from "./owned_fd.ts";
import { SyscallError } from "./syscall_error.ts";

const sys = { syscall: libcFunction("syscall", ["i64", "i64", "buffer", "u64"]) };
const SYS_BPF = Deno.build.arch === "aarch64" ? 280 : 321;

const MAP_CREATE = 0, MAP_UPDATE_ELEM = 2, PROG_LOAD = 5, LINK_CREATE = 28;
const MAP_TYPE_SOCKMAP = 15, PROG_TYPE_SK_LOOKUP = 30, SK_LOOKUP = 36;
/** Enough of union bpf_attr for all of these commands; the kernel takes any size whose rest is zero. */
const ATTRIBUTE_BYTES = 72;
/** Where the licence permits more helpers than ours needs. */
const LICENSE = new TextEncoder().encode("Apache-2.0\0");

function bpf(what: string, command: number, fill: (attributes: DataView) => void): number {
  const bytes = new Uint8Array(ATTRIBUTE_BYTES);
  fill(new DataView(bytes.buffer));
  const result = sys.syscall(SYS_BPF, command, bytes, bytes.length);
  if (result === -1) throw new SyscallError("bpf", what, errno());
  return result;
}

function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

/** A map that holds one socket. */
export function socketMap(socketFd: number): OwnedFd {
  const map = new OwnedFd(bpf("create a socket map", MAP_CREATE, (attributes) => {
    const sizes = [MAP_TYPE_SOCKMAP, 4, 8, 1]; // type, bytes of a key, bytes of a value, entries
    sizes.forEach((value, at) => attributes.setUint32(4 * at, value, true));
  }));
  const key = new Uint8Array(4), value = new Uint8Array(BigUint64Array.of(BigInt(socketFd)).buffer);
  try {
    // SAFETY: key and value outlive this synchronous call.
    bpf("put a socket into a map", MAP_UPDATE_ELEM, (attributes) => {
      attributes.setUint32(0, map.fd, true);
      attributes.setBigUint64(8, addressOf(key), true);
      attributes.setBigUint64(16, addressOf(value), true);
    });
    return map;
  } catch (error) {
    map.close();
    throw error;
  }
}

/** One instruction; `target` says to which label a jump leads. */
export interface Instruction {
  readonly code: number;
  readonly dst?: number;
  readonly src?: number;
  readonly offset?: number;
  readonly value?: number;
  readonly target?: string;
}

/** Puts instructions into the kernel's form. Text between them is a label. @throws {RangeError} No such label. */
export function assemble(source: readonly (Instruction | string)[]): Uint8Array<ArrayBuffer> {
  const labels = new Map<string, number>(), program: Instruction[] = [];
  for (const item of source) {
    if (typeof item === "string") labels.set(item, program.length);
    else program.push(item);
  }
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [at, { code, dst = 0, src = 0, offset = 0, value = 0, target }] of program.entries()) {
    const label = target === undefined ? undefined : labels.get(target);
    if (target !== undefined && label === undefined) throw new RangeError(`No label "${target}"`);
    view.setUint8(8 * at, code);
    view.setUint8(8 * at + 1, src << 4 | dst);
    view.setInt16(8 * at + 2, label === undefined ? offset : label - at - 1, true);
    view.setInt32(8 * at + 4, value, true);
  }
  return bytes;
}

/** Loads a program that chooses the socket for a new connection. @throws {SyscallError} EINVAL: the kernel lacks that. */
export function loadSocketLookup(instructions: Uint8Array<ArrayBuffer>): OwnedFd {
  // SAFETY: instructions and licence outlive this synchronous call.
  return new OwnedFd(bpf("load a socket lookup program", PROG_LOAD, (attributes) => {
    attributes.setUint32(0, PROG_TYPE_SK_LOOKUP, true);
    attributes.setUint32(4, instructions.length / 8, true);
    attributes.setBigUint64(8, addressOf(instructions), true);
    attributes.setBigUint64(16, addressOf(LICENSE), true);
    attributes.setUint32(68, SK_LOOKUP, true); // expected_attach_type
  }));
}

/** Lets a program choose in a network namespace, for as long as the descriptor is open. */
export function attachSocketLookup(programFd: number, netnsFd: number): OwnedFd {
  return new OwnedFd(bpf("attach a socket lookup program", LINK_CREATE, (attributes) => {
    attributes.setUint32(0, programFd, true);
    attributes.setUint32(4, netnsFd, true);
    attributes.setUint32(8, SK_LOOKUP, true);
  }));
}
