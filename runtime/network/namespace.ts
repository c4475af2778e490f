import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { O, open, OwnedFd } from "../../common/linux/fd.ts";
import { NetlinkSocket } from "../../common/linux/netlink.ts";
import { createNetns, inNetns } from "../../common/linux/netns.ts";
import { IFF } from "../../common/linux/rtnetlink/constants.ts";
import { listLinks, setLink } from "../../common/linux/rtnetlink/link.ts";

/**
 * The network namespace of a pod on the host: the engine's, or one made for a pod that came without.
 * One that was made disappears by itself with the last process in it.
 */
export class NetworkNamespace implements Disposable {
  readonly #fd: OwnedFd;
  /** About this namespace. */
  readonly netlink: NetlinkSocket;

  private constructor(fd: OwnedFd, netlink: NetlinkSocket, readonly made: boolean) {
    this.#fd = fd;
    this.netlink = netlink;
  }

  /**
   * Opens the engine's.
   * @throws {RuntimeError} InvalidArgument: there is none at this path, or it is the host's own.
   */
  static open(path: string): NetworkNamespace {
    refuseOurOwn(path);
    try {
      // A path of the bundle may lead anywhere, also to a FIFO, which must not keep us.
      return NetworkNamespace.#of(new OwnedFd(open(path, O.RDONLY | O.NONBLOCK)), false);
    } catch (cause) {
      throw new RuntimeError(
        Code.InvalidArgument,
        `Cannot use network namespace "${path}": ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  /** Makes one, with nothing but its loopback interface, which is up. @throws {SyscallError} */
  static make(): NetworkNamespace {
    const namespace = NetworkNamespace.#of(createNetns(), true);
    for (const { index, flags } of listLinks(namespace.netlink)) {
      if ((flags & IFF.LOOPBACK) === 0) continue;
      setLink(namespace.netlink, "bring up the loopback interface", index, { up: true });
    }
    return namespace;
  }

  static #of(fd: OwnedFd, made: boolean): NetworkNamespace {
    try {
      return new NetworkNamespace(fd, inNetns(fd.fd, () => NetlinkSocket.open()), made);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /** Open for as long as this object lives. */
  get fd(): number {
    return this.#fd.fd;
  }

  /** Leads to it, for this process and those that it starts, even when the engine's path is gone. */
  get path(): string {
    return `/proc/${Deno.pid}/fd/${this.#fd.fd}`;
  }

  /** Runs `work`, which must be synchronous, inside. */
  inside<T>(work: () => T): T {
    return inNetns(this.#fd.fd, work);
  }

  [Symbol.dispose](): void {
    this.netlink[Symbol.dispose]();
    this.#fd.close();
  }
}

/** The host's interfaces cannot be taken from it and given to a VM. */
function refuseOurOwn(path: string): void {
  const identity = (at: string): string | undefined => {
    try {
      const { dev, ino } = Deno.statSync(at);
      return `${dev}:${ino}`;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined; // opening it will say so
      throw new RuntimeError(
        Code.InvalidArgument,
        `Cannot use network namespace "${path}": ${messageOf(error)}`,
      );
    }
  };
  if (identity(path) !== identity("/proc/self/ns/net")) return;
  throw new RuntimeError(
    Code.InvalidArgument,
    `Cannot use network namespace "${path}": it is the host's, which a container in a VM cannot have; ` +
      "give the container a network of its own",
  );
}
