import { Errno } from "./errno.ts";
import { setNonblocking } from "./fd.ts";
import { errno, libcFunction } from "./libc.ts";
import { ready } from "./socket.ts";
import { check, SyscallError } from "./syscall_error.ts";

const sys = {
  sendmsg: libcFunction("sendmsg", ["i32", "buffer", "i32"]),
  recvmsg: libcFunction("recvmsg", ["i32", "buffer", "i32"]),
};

const SOL_SOCKET = 1, SCM_RIGHTS = 1, MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x40000000;
/** struct msghdr, iovec and cmsghdr on 64-bit Linux. Source: linux/socket.h. */
const MSGHDR_BYTES = 56, IOVEC_BYTES = 16, CMSGHDR_BYTES = 16;
/** With room for one descriptor and no more, so the kernel itself drops any further ones. */
const CONTROL_BYTES = CMSGHDR_BYTES + 4;
/** What comes along with a descriptor is of no interest; crun sends the name of the terminal. */
const PAYLOAD_BYTES = 4096;

/** A struct msghdr and all that it points to; keep the whole while C uses it. */
interface Message {
  readonly header: Uint8Array;
  readonly iovec: BigUint64Array;
  readonly payload: Uint8Array;
  readonly control: DataView;
}

function message(payload: Uint8Array): Message {
  const control = new DataView(new ArrayBuffer(CONTROL_BYTES));
  const iovec = BigUint64Array.of(addressOf(payload), BigInt(payload.length));
  const header = BigUint64Array.of(
    0n, // name
    0n,
    addressOf(iovec),
    BigInt(iovec.byteLength / IOVEC_BYTES),
    addressOf(control),
    BigInt(CONTROL_BYTES),
    0n, // flags
  );
  return { header: new Uint8Array(header.buffer, 0, MSGHDR_BYTES), iovec, payload, control };
}

function addressOf(view: Uint8Array | BigUint64Array | DataView): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(view as BufferSource));
}

/**
 * Sends a copy of a descriptor over a connected Unix socket.
 * @param payload What goes with it: at least one byte, and so few that the socket takes all.
 * @throws {SyscallError} With the errno of sendmsg(2); EMSGSIZE: the socket did not take all.
 */
export function sendFd(socket: number, fd: number, payload: Uint8Array = new Uint8Array(1)): void {
  const { header, control } = message(payload);
  control.setBigUint64(0, BigInt(CONTROL_BYTES), true);
  control.setInt32(8, SOL_SOCKET, true);
  control.setInt32(12, SCM_RIGHTS, true);
  control.setInt32(CMSGHDR_BYTES, fd, true);
  const sent = check(sys.sendmsg(socket, header, MSG_NOSIGNAL), "sendmsg", `fd ${socket}`);
  if (sent !== payload.length) throw new SyscallError("sendmsg", `fd ${socket}`, Errno.EMSGSIZE);
}

/**
 * Waits for a descriptor on a connected Unix socket.
 * @returns The descriptor, close-on-exec, the caller's to close.
 * @throws {SyscallError} EBADMSG: the peer sent none, or left. Otherwise the errno of recvmsg(2).
 */
export async function receiveFd(socket: number, signal?: AbortSignal): Promise<number> {
  setNonblocking(socket);
  while (true) {
    signal?.throwIfAborted();
    const { header, control } = message(new Uint8Array(PAYLOAD_BYTES));
    if (sys.recvmsg(socket, header, MSG_CMSG_CLOEXEC) >= 0) {
      return descriptorIn(header, control, socket);
    }
    const number = errno();
    if (number === Errno.EAGAIN) await ready(socket, "readable", signal);
    else if (number !== Errno.EINTR) throw new SyscallError("recvmsg", `fd ${socket}`, number);
  }
}

function descriptorIn(header: Uint8Array, control: DataView, socket: number): number {
  const length = new DataView(header.buffer).getBigUint64(40, true); // msg_controllen, now as filled in
  const isRights = length >= CONTROL_BYTES && control.getInt32(8, true) === SOL_SOCKET &&
    control.getInt32(12, true) === SCM_RIGHTS;
  if (!isRights) throw new SyscallError("recvmsg", `fd ${socket}`, Errno.EBADMSG);
  return control.getInt32(CMSGHDR_BYTES, true);
}
