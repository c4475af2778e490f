import { Errno } from "./errno.ts";
import { errno, libcFunction } from "./libc.ts";
import { OwnedFd } from "./owned_fd.ts";
import { watch } from "./poll.ts";
import { abstractAddress, AF_UNIX, AF_VSOCK, unixAddress, vsockAddress } from "./sockaddr.ts";
import { check, SyscallError } from "./syscall_error.ts";

const sys = {
  socket: libcFunction("socket", ["i32", "i32", "i32"]),
  socketpair: libcFunction("socketpair", ["i32", "i32", "i32", "buffer"]),
  bind: libcFunction("bind", ["i32", "buffer", "u32"]),
  listen: libcFunction("listen", ["i32", "i32"]),
  connect: libcFunction("connect", ["i32", "buffer", "u32"]),
  accept4: libcFunction("accept4", ["i32", "buffer", "buffer", "i32"]),
  getsockopt: libcFunction("getsockopt", ["i32", "i32", "i32", "buffer", "buffer"]),
  fchmod: libcFunction("fchmod", ["i32", "u32"]),
};

/** Source: asm-generic/socket.h, linux/net.h. */
const SOCK_STREAM = 1, SOCK_NONBLOCK = 0o4000, SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1, SO_ERROR = 4, SO_PEERCRED = 17;
const BACKLOG = 128;

/** Any cid, to listen on. Source: linux/vm_sockets.h. */
export const VMADDR_CID_ANY = 0xffffffff;
/** This machine itself; needs the vsock_loopback transport. */
export const VMADDR_CID_LOCAL = 1;
/** The host, as a guest calls it. */
export const VMADDR_CID_HOST = 2;

/**
 * All sockets here are nonblocking, close-on-exec descriptors that the caller owns. FdStream.release() makes one
 * blocking, as a child expects its stdio to be.
 */
function streamSocket(family: number): OwnedFd {
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  return new OwnedFd(check(sys.socket(family, type, 0), "socket", `family ${family}`));
}

/**
 * Connects to a Unix socket at once or not at all.
 * @throws {SyscallError} ENOENT, ECONNREFUSED: nobody listens. EAGAIN: the listener's queue is full.
 */
export function unixConnect(path: string): number {
  using socket = streamSocket(AF_UNIX);
  using address = unixAddress(path);
  check(sys.connect(socket.fd, address.bytes, address.bytes.length), "connect", path);
  return socket.release();
}

/**
 * Listens on a Unix socket, created with `mode` (owner only by default) less the umask.
 * @throws {SyscallError} EADDRINUSE: the path exists.
 */
export function unixListen(path: string, mode = 0o600): number {
  using socket = streamSocket(AF_UNIX);
  using address = unixAddress(path);
  // The socket's own mode becomes the path's when it is bound, so it is never open to others in between.
  check(sys.fchmod(socket.fd, mode), "fchmod", path);
  check(sys.bind(socket.fd, address.bytes, address.bytes.length), "bind", path);
  check(sys.listen(socket.fd, BACKLOG), "listen", path);
  return socket.release();
}

/**
 * Takes a name in the abstract namespace of this network namespace, for as long as the descriptor is open.
 * @throws {SyscallError} EADDRINUSE: somebody has it.
 */
export function bindAbstract(name: string): number {
  using socket = streamSocket(AF_UNIX);
  const address = abstractAddress(name);
  check(sys.bind(socket.fd, address, address.length), "bind", name);
  return socket.release();
}

/** Two connected Unix stream sockets. */
export function socketPair(): [number, number] {
  const ends = new Int32Array(2);
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  check(sys.socketpair(AF_UNIX, type, 0, new Uint8Array(ends.buffer)), "socketpair", "");
  return [ends[0] ?? -1, ends[1] ?? -1];
}

/**
 * Connects to a port of another machine (or the host).
 * @throws {SyscallError} ECONNRESET: nobody listens there. ENODEV: no such cid. ETIMEDOUT after 2 s.
 */
export async function vsockConnect(
  cid: number,
  port: number,
  signal?: AbortSignal,
): Promise<number> {
  const what = `vsock ${cid}:${port}`;
  using socket = streamSocket(AF_VSOCK);
  const address = vsockAddress(cid, port);
  if (sys.connect(socket.fd, address, address.length) === 0) return socket.release();
  const number = errno();
  if (number !== Errno.EINPROGRESS) throw new SyscallError("connect", what, number);
  await ready(socket.fd, "writable", signal);
  const failure = socketError(socket.fd);
  if (failure !== 0) throw new SyscallError("connect", what, failure);
  return socket.release();
}

/**
 * Listens on a vsock port, for any peer.
 * @throws {SyscallError} EADDRINUSE: the port is taken.
 */
export function vsockListen(port: number): number {
  using socket = streamSocket(AF_VSOCK);
  const address = vsockAddress(VMADDR_CID_ANY, port);
  check(sys.bind(socket.fd, address, address.length), "bind", `vsock port ${port}`);
  check(sys.listen(socket.fd, BACKLOG), "listen", `vsock port ${port}`);
  return socket.release();
}

/**
 * Takes the next connection of a listening socket; one call at a time a socket. Closing the socket meanwhile would
 * leave it waiting: abort first.
 * @throws The signal's reason, once aborted.
 * @throws {SyscallError} With the errno of accept4(2).
 */
export async function accept(fd: number, signal?: AbortSignal): Promise<number> {
  while (true) {
    signal?.throwIfAborted();
    const connection = sys.accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection !== -1) return connection;
    const number = errno();
    if (number === Errno.EAGAIN) await ready(fd, "readable", signal);
    // A peer that gave up while it was queued is not our failure.
    else if (number !== Errno.EINTR && number !== Errno.ECONNABORTED) {
      throw new SyscallError("accept4", `fd ${fd}`, number);
    }
  }
}

/** Waits once for a descriptor that has no stream of its own. @throws The signal's reason, once aborted. */
export async function ready(
  fd: number,
  what: "readable" | "writable",
  signal?: AbortSignal,
): Promise<void> {
  const once = watch(fd);
  try {
    await once[what](signal);
  } finally {
    once.stop();
  }
  signal?.throwIfAborted();
}

function socketError(fd: number): number {
  return socketOption(fd, SO_ERROR, 1)[0] ?? 0;
}

function socketOption(fd: number, option: number, words: number): Int32Array {
  const value = new Int32Array(words);
  const length = new Uint32Array([value.byteLength]);
  const result = sys.getsockopt(
    fd,
    SOL_SOCKET,
    option,
    new Uint8Array(value.buffer),
    new Uint8Array(length.buffer),
  );
  check(result, "getsockopt", `fd ${fd}`);
  return value;
}

/** Who is at the other end of a Unix socket, as of its connect(2). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Reads SO_PEERCRED of a connected Unix socket. Source: unix(7). */
export function peerCredentials(fd: number): PeerCredentials {
  const [pid = 0, uid = 0, gid = 0] = socketOption(fd, SO_PEERCRED, 3);
  return { pid, uid: uid >>> 0, gid: gid >>> 0 };
}
