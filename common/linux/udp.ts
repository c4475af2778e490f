/** Datagrams over IPv4 and IPv6, by sockets that may belong to another network namespace. */
import { Errno } from "./errno.ts";
import { errno, libcFunction } from "./libc.ts";
import { OwnedFd } from "./owned_fd.ts";
import { ready } from "./socket.ts";
import { check, SyscallError } from "./syscall_error.ts";

const sys = {
  socket: libcFunction("socket", ["i32", "i32", "i32"]),
  bind: libcFunction("bind", ["i32", "buffer", "u32"]),
  connect: libcFunction("connect", ["i32", "buffer", "u32"]),
  recvfrom: libcFunction("recvfrom", ["i32", "buffer", "usize", "i32", "buffer", "buffer"]),
  sendto: libcFunction("sendto", ["i32", "buffer", "usize", "i32", "buffer", "u32"]),
};

const AF_INET = 2, AF_INET6 = 10, SOCK_DGRAM = 2, SOCK_NONBLOCK = 0o4000, SOCK_CLOEXEC = 0o2000000;
const SOCKADDR_IN_BYTES = 16, SOCKADDR_IN6_BYTES = 28;
const IP4_OFFSET = 4, IP6_OFFSET = 8;

/** A peer as the kernel writes it: sockaddr_in or sockaddr_in6. */
export type DatagramPeer = Uint8Array;

/** Encodes an address of 4 or 16 bytes. Source: ip(7), ipv6(7). */
function socketAddress(address: Uint8Array, port: number): Uint8Array {
  const v6 = address.length === 16;
  const bytes = new Uint8Array(v6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, v6 ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port, false);
  bytes.set(address, v6 ? IP6_OFFSET : IP4_OFFSET);
  return bytes;
}

/** A datagram, and who sent it. */
export interface Datagram {
  readonly length: number;
  readonly peer: DatagramPeer;
}

/** A UDP socket of the network namespace in which it was made. */
export class UdpSocket implements Disposable {
  readonly #fd: OwnedFd;

  private constructor(fd: OwnedFd) {
    this.#fd = fd;
  }

  /** Receives what is sent to an address and port of this machine. @throws {SyscallError} EADDRINUSE, EADDRNOTAVAIL. */
  static bind(address: Uint8Array, port: number): UdpSocket {
    return UdpSocket.#make(address, port, "bind");
  }

  /** Exchanges datagrams with one peer alone. @throws {SyscallError} ENETUNREACH: no way leads there. */
  static connect(address: Uint8Array, port: number): UdpSocket {
    return UdpSocket.#make(address, port, "connect");
  }

  static #make(address: Uint8Array, port: number, call: "bind" | "connect"): UdpSocket {
    const family = address.length === 16 ? AF_INET6 : AF_INET;
    const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const fd = new OwnedFd(check(sys.socket(family, type, 0), "socket", `family ${family}`));
    try {
      const name = socketAddress(address, port);
      check(sys[call](fd.fd, name, name.length), call, `UDP port ${port}`);
      return new UdpSocket(fd);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /**
   * Waits for the next datagram; what is longer than `into` is cut. One call at a time.
   * @throws The signal's reason. @throws {SyscallError} ECONNREFUSED: the connected peer does not listen.
   */
  async receive(into: Uint8Array, signal: AbortSignal): Promise<Datagram> {
    const peer = new Uint8Array(SOCKADDR_IN6_BYTES), size = Uint32Array.of(peer.length);
    const sizeBytes = new Uint8Array(size.buffer);
    while (true) {
      signal.throwIfAborted();
      size[0] = peer.length;
      const length = sys.recvfrom(this.#fd.fd, into, into.length, 0, peer, sizeBytes);
      if (length >= 0) return { length, peer: peer.subarray(0, size[0]) };
      const number = errno();
      if (number === Errno.EAGAIN) await ready(this.#fd.fd, "readable", signal);
      else if (number !== Errno.EINTR) throw new SyscallError("recvfrom", "UDP", number);
    }
  }

  /**
   * Sends one datagram, to `peer` or the connected peer. One for which the kernel has no room is lost, as on a wire.
   * @throws {SyscallError} ECONNREFUSED: the connected peer did not listen before.
   */
  send(bytes: Uint8Array, peer: DatagramPeer | null = null): void {
    const sent = sys.sendto(this.#fd.fd, bytes, bytes.length, 0, peer, peer?.length ?? 0);
    if (sent >= 0) return;
    const number = errno();
    if (number === Errno.EAGAIN || number === Errno.ENOBUFS) return;
    throw new SyscallError("sendto", "UDP", number);
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
