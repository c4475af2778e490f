import { Errno } from "./errno.ts";
import { errno, libcFunction } from "./libc.ts";
import {
  Attributes,
  joined,
  type NetlinkMessage,
  netlinkMessage,
  parseMessages,
  viewOf,
} from "./netlink_message.ts";
import { OwnedFd } from "./owned_fd.ts";
import { type Watch, watch } from "./poll.ts";
import { check, SyscallError } from "./syscall_error.ts";

const sys = {
  socket: libcFunction("socket", ["i32", "i32", "i32"]),
  bind: libcFunction("bind", ["i32", "buffer", "u32"]),
  setsockopt: libcFunction("setsockopt", ["i32", "i32", "i32", "buffer", "u32"]),
  send: libcFunction("send", ["i32", "buffer", "usize", "i32"]),
  recv: libcFunction("recv", ["i32", "buffer", "usize", "i32"]),
};

const AF_NETLINK = 16, NETLINK_ROUTE = 0;
const SOCK_RAW = 3, SOCK_NONBLOCK = 0o4000, SOCK_CLOEXEC = 0o2000000;
/** Source: linux/socket.h and linux/netlink.h. */
const SOL_NETLINK = 270, NETLINK_CAP_ACK = 10, NETLINK_EXT_ACK = 11;
const NLMSG_ERROR = 2, NLMSG_DONE = 3;
const NLM_F_DUMP_INTR = 0x10, NLM_F_CAPPED = 0x100, NLM_F_ACK_TLVS = 0x200;
/** struct nlmsgerr: the error, then the header of what it answers. */
const ERROR_BYTES = 4 + 16;
const NLMSGERR_ATTR_MSG = 1;
/** The kernel fills at most 32 KiB a datagram of a dump. Source: netlink_dump(). */
const RECEIVE_BYTES = 64 * 1024;
/** Changes that go together: at some hundred bytes each they fit the socket's buffer many times. */
const BATCH = 128;
/** A table that keeps changing while it is read is read again this often. */
const MAX_DUMPS = 8;

/** Flags of a request. Source: linux/netlink.h. */
export const NLM = {
  REQUEST: 0x01,
  ACK: 0x04,
  /** Replace what exists. */
  REPLACE: 0x100,
  /** Fail if it exists. */
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
  DUMP: 0x300,
} as const;

/** A change to make. */
export interface NetlinkRequest {
  /** For people, as in {@linkcode NetlinkSocket.request}; called only when it is refused. */
  readonly what: () => string;
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** The kernel refused a request; the message carries its own words, where it has some. */
export class NetlinkError extends SyscallError {
  constructor(what: string, errno: number, words: string | undefined) {
    super("netlink", words ? `${what} (${words})` : what, errno);
  }
}

/**
 * A conversation with the kernel about one network namespace: the one in which the socket was opened.
 *
 * The kernel answers before send(2) returns, so asking never waits.
 */
export class NetlinkSocket implements Disposable {
  readonly #socket: OwnedFd;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);
  #sequence = 0;
  #watch: Watch | undefined;

  private constructor(socket: OwnedFd) {
    this.#socket = socket;
  }

  /**
   * Opens one in the calling thread's namespace; see inNetns.
   * @param groups Bits of the multicast groups to hear of, RTMGRP_*; such a socket is for {@linkcode changed} only.
   * @throws {SyscallError}
   */
  static open(groups = 0): NetlinkSocket {
    const type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const socket = new OwnedFd(
      check(sys.socket(AF_NETLINK, type, NETLINK_ROUTE), "socket", "netlink"),
    );
    const one = new Uint8Array(Uint32Array.of(1).buffer);
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK]) {
      sys.setsockopt(socket.fd, SOL_NETLINK, option, one, one.length); // only makes errors say more
    }
    const address = new Uint8Array(Uint32Array.of(AF_NETLINK, 0, groups).buffer);
    check(sys.bind(socket.fd, address, address.length), "bind", "netlink");
    return new NetlinkSocket(socket);
  }

  /**
   * Makes a change.
   * @param what For people: what is changed, such as `add address 10.0.0.2/24 to eth0`.
   * @param flags Of {@linkcode NLM}, besides REQUEST and ACK.
   * @throws {NetlinkError} With the kernel's error number.
   */
  request(what: string, type: number, flags: number, body: Uint8Array): void {
    const sequence = this.#send(what, type, NLM.REQUEST | NLM.ACK | flags, body);
    for (;;) {
      for (const message of this.#receive(what)) {
        if (message.sequence !== sequence || message.type !== NLMSG_ERROR) continue;
        throwRefusal(what, message);
        return;
      }
    }
  }

  /**
   * Makes many changes, in order, with few system calls: in an emulated guest each costs as much as a change.
   * @throws {NetlinkError} The first refusal; changes soon behind it may have been made.
   */
  requestAll(requests: readonly NetlinkRequest[]): void {
    for (let at = 0; at < requests.length;) {
      const batch = requests.slice(at, at + BATCH);
      at += batch.length;
      this.#requestBatch(batch);
    }
  }

  /** Reads a whole table. @returns Its entries' bodies. @throws {NetlinkError} */
  dump(what: string, type: number, body: Uint8Array): Uint8Array[] {
    for (let attempt = 1; attempt < MAX_DUMPS; attempt++) {
      const entries = this.#dumpOnce(what, type, body);
      if (entries) return entries;
    }
    throw new NetlinkError(`${what}: the table changes all the time`, Errno.EAGAIN, undefined);
  }

  /** Waits until the kernel tells of something in the groups. @returns False once closed or aborted. */
  async changed(signal?: AbortSignal): Promise<boolean> {
    while (this.#socket.fd !== -1) {
      if (this.#drain()) return true;
      this.#watch ??= watch(this.#socket.fd);
      if (!await this.#watch.readable(signal)) return false;
    }
    return false;
  }

  [Symbol.dispose](): void {
    this.#watch?.stop();
    this.#socket.close();
  }

  /** Only the last asks for an answer; refusals of the others come before it without being asked for. */
  #requestBatch(batch: readonly NetlinkRequest[]): void {
    const first = this.#sequence + 1, last = first + batch.length - 1;
    const messages = batch.map(({ type, flags, body }, index) => {
      const acknowledge = first + index === last ? NLM.ACK : 0;
      const all = NLM.REQUEST | acknowledge | flags;
      return netlinkMessage({ type, flags: all, sequence: first + index, body });
    });
    this.#sequence = last;
    const bytes = joined(...messages), what = `${batch.length} changes`;
    check(sys.send(this.#socket.fd, bytes, bytes.length, 0), "send netlink", what);
    let refusal: NetlinkError | undefined;
    for (let answered = false; !answered;) {
      for (const message of this.#receive(what)) {
        const request = batch[message.sequence - first];
        if (message.type !== NLMSG_ERROR || !request) continue;
        refusal ??= refusalOf(request.what(), message);
        answered ||= message.sequence === last;
      }
    }
    if (refusal) throw refusal;
  }

  #send(what: string, type: number, flags: number, body: Uint8Array): number {
    const sequence = ++this.#sequence;
    const bytes = netlinkMessage({ type, flags, sequence, body });
    check(sys.send(this.#socket.fd, bytes, bytes.length, 0), "send netlink", what);
    return sequence;
  }

  /** @returns `undefined` when the table changed meanwhile. */
  #dumpOnce(what: string, type: number, body: Uint8Array): Uint8Array[] | undefined {
    const sequence = this.#send(what, type, NLM.REQUEST | NLM.DUMP, body);
    const entries: Uint8Array[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of this.#receive(what)) {
        if (message.sequence !== sequence) continue;
        interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
        if (message.type === NLMSG_ERROR) throwRefusal(what, message);
        if (message.type === NLMSG_DONE) return interrupted ? undefined : entries;
        if (message.type !== NLMSG_ERROR) entries.push(message.body.slice());
      }
    }
  }

  #receive(what: string): NetlinkMessage[] {
    const count = sys.recv(this.#socket.fd, this.#buffer, this.#buffer.length, 0);
    check(count, "recv netlink", what);
    return parseMessages(this.#buffer.subarray(0, count));
  }

  /** Takes all that is queued. @returns Whether there was something, or so much that some was lost. */
  #drain(): boolean {
    for (let some = false;; some = true) {
      if (sys.recv(this.#socket.fd, this.#buffer, this.#buffer.length, 0) !== -1) continue;
      const number = errno();
      if (number === Errno.EAGAIN) return some;
      if (number !== Errno.ENOBUFS && number !== Errno.EINTR) {
        throw new SyscallError("recv netlink", "changes", number);
      }
    }
  }
}

function throwRefusal(what: string, message: NetlinkMessage): void {
  const refusal = refusalOf(what, message);
  if (refusal) throw refusal;
}

/** @returns `undefined`: it is a yes. */
function refusalOf(what: string, { flags, body }: NetlinkMessage): NetlinkError | undefined {
  const number = body.length >= 4 ? -viewOf(body).getInt32(0, true) : Errno.EPROTO;
  if (number === 0) return undefined;
  const told = (flags & NLM_F_ACK_TLVS) !== 0 && (flags & NLM_F_CAPPED) !== 0;
  const words = told
    ? new Attributes(body.subarray(ERROR_BYTES)).text(NLMSGERR_ATTR_MSG)
    : undefined;
  return new NetlinkError(what, number, words);
}
