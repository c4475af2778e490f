import { Code, RuntimeError } from "../../common/base/errors.ts";
import { bindAbstract } from "../../common/linux/socket.ts";
import { isErrno } from "../../common/linux/syscall_error.ts";

/**
 * User ids that nobody else gives out: above those for containers, below those for foreign images. Source:
 * systemd, "Users, Groups, UIDs and GIDs".
 */
const FIRST_UID = 0x7000_0000, UIDS = 0x1_0000;
/** So many are tried; all of them taken means that something else is wrong. */
const ATTEMPTS = 64;

/** A user, and group of the same number, that no other VMM runs as. */
export interface VmmUser {
  readonly uid: number;
  /** What keeps it from being claimed again, as long as any process has it open: the VMM is to inherit it. */
  readonly claimFd: number;
}

/**
 * Claims a user for a VMM, in this network namespace. The caller owns the descriptor.
 * @throws {RuntimeError} ResourceExhausted: none is free.
 */
export function claimVmmUser(): VmmUser {
  const [start = 0] = crypto.getRandomValues(new Uint16Array(1));
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const uid = FIRST_UID + (start + attempt) % UIDS;
    const claimFd = claim(uid);
    if (claimFd !== undefined) return { uid, claimFd };
  }
  throw new RuntimeError(
    Code.ResourceExhausted,
    `rootless = true: no user id from ${FIRST_UID} on is free for the VMM`,
  );
}

/** An abstract socket's name is taken as long as the socket is open anywhere, and leaves no file. Source: unix(7). */
function claim(uid: number): number | undefined {
  try {
    return bindAbstract(`kata-vmm-user-${uid}`);
  } catch (error) {
    if (isErrno(error, "EADDRINUSE")) return undefined;
    throw error;
  }
}
