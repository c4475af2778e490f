import { close, O, open, OwnedFd } from "../../common/linux/fd.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";
import { setVhostGuestCid } from "../../common/linux/vhost_vsock.ts";
import { Code, RuntimeError } from "../../common/base/errors.ts";

const DEVICE = "/dev/vhost-vsock";
/** 0 to 2 are reserved and 2^32-1 means "any". Source: vsock(7). */
const FIRST_CID = 3, LAST_CID = 0xffff_fffe;
/** Collisions are one in 2^32 per VM on the host; so many in a row mean something else is wrong. */
const ATTEMPTS = 32;

/** A context id that the kernel holds for us as long as the descriptor is open. */
export interface GuestCid extends Disposable {
  readonly cid: number;
  readonly vhostFd: number;
}

/** Whether the host's kernel can serve AF_VSOCK. */
export function vhostVsockAvailable(): boolean {
  try {
    close(open(DEVICE, O.RDWR));
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT", "EACCES", "EPERM", "ENODEV", "ENXIO")) return false;
    throw error;
  }
}

/** The kernel's part in it; a test has another. */
export interface CidKeeper {
  readonly device: string;
  /** Gives an open device the id. @returns Whether it was free. */
  take(fd: number, cid: number): boolean;
  /** Proposes an id. */
  propose(): number;
}

const KERNEL: CidKeeper = { device: DEVICE, take: setVhostGuestCid, propose: randomCid };

/**
 * Takes a free context id. The kernel refuses one that is in use (EADDRINUSE), so no two processes can get the same.
 * @throws {SyscallError} The device cannot be opened.
 * @throws {RuntimeError} ResourceExhausted.
 */
export function allocateGuestCid({ device, take, propose }: CidKeeper = KERNEL): GuestCid {
  const owned = new OwnedFd(open(device, O.RDWR));
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const cid = propose();
      if (!take(owned.fd, cid)) continue;
      const vhostFd = owned.release();
      return { cid, vhostFd, [Symbol.dispose]: () => close(vhostFd) };
    }
    throw new RuntimeError(
      Code.ResourceExhausted,
      `${device}: no free context id in ${ATTEMPTS} attempts`,
    );
  } finally {
    owned[Symbol.dispose]();
  }
}

/** A number from FIRST_CID to LAST_CID, both included. */
function randomCid(): number {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return FIRST_CID + (value % (LAST_CID - FIRST_CID + 1));
}
