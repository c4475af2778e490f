import {
  assemble,
  attachSocketLookup,
  type Instruction,
  loadSocketLookup,
  socketMap,
} from "./bpf.ts";
import { libcFunction } from "./libc.ts";
import { inNetns } from "./netns.ts";
import { OwnedFd } from "./owned_fd.ts";
import { accept } from "./socket.ts";
import { check, isErrno } from "./syscall_error.ts";

const sys = {
  socket: libcFunction("socket", ["i32", "i32", "i32"]),
  bind: libcFunction("bind", ["i32", "buffer", "u32"]),
  listen: libcFunction("listen", ["i32", "i32"]),
  setsockopt: libcFunction("setsockopt", ["i32", "i32", "i32", "buffer", "u32"]),
  getsockname: libcFunction("getsockname", ["i32", "buffer", "buffer"]),
};

const AF_INET = 2, AF_INET6 = 10, SOCK_STREAM = 1, SOCK_NONBLOCK = 0o4000, SOCK_CLOEXEC = 0o2000000;
const IPPROTO_TCP = 6, IPPROTO_IPV6 = 41, IPV6_V6ONLY = 26;
const SOL_SOCKET = 1, SO_LINGER = 13, SO_BINDTODEVICE = 25;
const BACKLOG = 128;

/** Registers, and operations on them. Source: linux/bpf.h, linux/bpf_common.h. */
const R0 = 0, R1 = 1, R2 = 2, R3 = 3, R6 = 6, R7 = 7, STACK = 10;
const LOAD_U32 = 0x61,
  STORE_U32 = 0x62,
  MOVE = 0xbf,
  MOVE_VALUE = 0xb7,
  ADD_VALUE = 0x07,
  AND_VALUE = 0x57;
const JUMP = 0x05,
  JUMP_IF_EQUAL = 0x15,
  JUMP_IF_NOT = 0x55,
  CALL = 0x85,
  EXIT = 0x95,
  LOAD_U64 = 0x18;
const MAP_FD = 1, MAP_LOOKUP = 1, SK_RELEASE = 86, SK_ASSIGN = 124, SK_PASS = 1;
/** Fields of struct bpf_sk_lookup. */
const FAMILY = 8, PROTOCOL = 12, LOCAL_IP4 = 40, LOCAL_IP6 = 44;
/** The last quarter of ::1, in network byte order. */
const ONE = 0x01000000;

/** Sends each TCP connection to 127.0.0.0/8 or ::1 to the map's socket, whatever its port. */
function program(mapFd: number): (Instruction | string)[] {
  const load = (offset: number): Instruction => ({ code: LOAD_U32, dst: R2, src: R6, offset });
  const passUnless = (value: number): Instruction => (
    { code: JUMP_IF_NOT, dst: R2, value, target: "pass" }
  );
  const move = (dst: number, src: number): Instruction => ({ code: MOVE, dst, src });
  return [
    move(R6, R1),
    ...[load(PROTOCOL), passUnless(IPPROTO_TCP)],
    ...[load(FAMILY), { code: JUMP_IF_EQUAL, dst: R2, value: AF_INET6, target: "v6" }],
    ...[passUnless(AF_INET), load(LOCAL_IP4)],
    ...[{ code: AND_VALUE, dst: R2, value: 0xff }, passUnless(127)],
    { code: JUMP, target: "assign" },
    "v6",
    ...[0, 4, 8].flatMap((offset) => [load(LOCAL_IP6 + offset), passUnless(0)]),
    ...[load(LOCAL_IP6 + 12), passUnless(ONE)],
    "assign",
    { code: STORE_U32, dst: STACK, offset: -4, value: 0 },
    ...[move(R2, STACK), { code: ADD_VALUE, dst: R2, value: -4 }],
    ...[{ code: LOAD_U64, dst: R1, src: MAP_FD, value: mapFd }, { code: 0 }],
    { code: CALL, value: MAP_LOOKUP },
    ...[{ code: JUMP_IF_EQUAL, dst: R0, value: 0, target: "pass" }, move(R7, R0)],
    ...[move(R1, R6), move(R2, R7), { code: MOVE_VALUE, dst: R3, value: 0 }],
    { code: CALL, value: SK_ASSIGN },
    ...[move(R1, R7), { code: CALL, value: SK_RELEASE }],
    "pass",
    ...[{ code: MOVE_VALUE, dst: R0, value: SK_PASS }, { code: EXIT }],
  ];
}

/** A connection that was made to some port of the loopback interface. */
export interface LoopbackConnection {
  /** Nonblocking, close-on-exec, the caller's. */
  readonly fd: number;
  /** The port that the caller asked for. */
  readonly port: number;
  readonly family: 4 | 6;
}

/**
 * Takes every TCP connection that is made inside a network namespace to its loopback addresses, on any port. What
 * comes from outside does not have these addresses, and no port is opened: the kernel asks a program of ours, which
 * goes with this object or this process.
 */
export class LoopbackListener implements Disposable {
  readonly #owned = new DisposableStack();
  readonly #socket: OwnedFd;

  private constructor(socket: OwnedFd, owned: DisposableStack) {
    this.#socket = socket;
    this.#owned = owned;
  }

  /** @throws {SyscallError} EINVAL: the kernel (before 5.9) cannot do it. EPERM. EBUSY: somebody did it already. */
  static open(netnsFd: number): LoopbackListener {
    using owned = new DisposableStack();
    const socket = owned.use(inNetns(netnsFd, listenAnywhere));
    const map = owned.use(socketMap(socket.fd));
    const loaded = owned.use(loadSocketLookup(assemble(program(map.fd))));
    owned.use(attachSocketLookup(loaded.fd, netnsFd));
    return new LoopbackListener(socket, owned.move());
  }

  /** Waits for the next. @throws The signal's reason. @throws {SyscallError} */
  async accept(signal: AbortSignal): Promise<LoopbackConnection> {
    const fd = await accept(this.#socket.fd, signal);
    return { fd, ...localAddress(fd) };
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

/** Both families by one socket, where there is IPv6. */
function listenAnywhere(): OwnedFd {
  try {
    return listenOn(AF_INET6);
  } catch (error) {
    if (!isErrno(error, "EAFNOSUPPORT", "EADDRNOTAVAIL")) throw error;
    return listenOn(AF_INET);
  }
}

/** Bound to the loopback interface, so that a port of its own is nothing that others could reach. */
function listenOn(family: number): OwnedFd {
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const socket = new OwnedFd(check(sys.socket(family, type, 0), "socket", `family ${family}`));
  try {
    setOption(socket.fd, SOL_SOCKET, SO_BINDTODEVICE, new TextEncoder().encode("lo\0"));
    if (family === AF_INET6) setOption(socket.fd, IPPROTO_IPV6, IPV6_V6ONLY, words(0));
    const anywhere = new Uint8Array(family === AF_INET6 ? 28 : 16);
    new DataView(anywhere.buffer).setUint16(0, family, true);
    check(sys.bind(socket.fd, anywhere, anywhere.length), "bind", "the loopback interface");
    check(sys.listen(socket.fd, BACKLOG), "listen", "the loopback interface");
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}

function setOption(fd: number, level: number, option: number, value: Uint8Array): void {
  check(sys.setsockopt(fd, level, option, value, value.length), "setsockopt", `fd ${fd}`);
}

/** Makes closing it a reset, by which a peer learns that nobody was there. */
export function resetOnClose(fd: number): void {
  setOption(fd, SOL_SOCKET, SO_LINGER, words(1, 0));
}

function localAddress(fd: number): { port: number; family: 4 | 6 } {
  const address = new Uint8Array(28), length = new Uint8Array(Uint32Array.of(28).buffer);
  check(sys.getsockname(fd, address, length), "getsockname", `fd ${fd}`);
  const view = new DataView(address.buffer);
  // A mapped address of version 4 is ::ffff:127.0.0.1.
  const mapped = address[8 + 10] === 0xff && address[8 + 11] === 0xff;
  const v6 = view.getUint16(0, true) === AF_INET6 && !mapped;
  return { port: view.getUint16(2, false), family: v6 ? 6 : 4 };
}
