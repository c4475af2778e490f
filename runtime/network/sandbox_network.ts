import { Code, messageOf, RuntimeError } from "../../common/base/errors.ts";
import { log } from "../../common/base/log.ts";
import { NetlinkSocket } from "../../common/linux/netlink.ts";
import { RTMGRP } from "../../common/linux/rtnetlink/constants.ts";
import type { Link } from "../../common/linux/rtnetlink/link.ts";
import type { Net } from "../hypervisor/device.ts";
import { GuestCards, type NetworkGuest } from "./guest_cards.ts";
import { NameRelay } from "./name_relay.ts";
import { NetworkNamespace } from "./namespace.ts";
import { type LinkOptions, PodLink } from "./pod_link.ts";
import type { GuestDialer } from "./port_forward.ts";
import type { SavedNetwork } from "./saved_network.ts";
import { type NetworkScan, scanNetwork } from "./scan.ts";

/** How a sandbox's network is to be. */
export interface NetworkOptions extends Omit<LinkOptions, "model"> {
  /** `none`: the guest has nothing but its loopback interface. */
  readonly model: LinkOptions["model"] | "none";
  /** The engine's namespace for the pod; absent: one is made. */
  readonly netnsPath: string | undefined;
}

/** How long the guest may take over a change, in milliseconds. */
const REFRESH_MS = 60_000;
const WATCHED = RTMGRP.LINK | RTMGRP.IPV4_IFADDR | RTMGRP.IPV4_ROUTE | RTMGRP.IPV6_IFADDR |
  RTMGRP.IPV6_ROUTE;

const NOTHING: NetworkScan = { interfaces: [], routes: [], neighbors: [] };

/**
 * A sandbox's network: the pod's namespace on the host, and what of it the guest mirrors.
 *
 * In this order: {@linkcode open} makes sure of the namespace, {@linkcode connect} ties its interfaces to network
 * cards for the VM, {@linkcode started} is told that the VM has them, {@linkcode configure} tells the guest.
 */
export class SandboxNetwork implements Disposable {
  readonly #undo: DisposableStack;
  readonly #namespace: NetworkNamespace;
  readonly #options: NetworkOptions;
  readonly #links = new Map<number, PodLink>();
  readonly #over = new AbortController();
  readonly #guest = new GuestCards();
  #names: NameRelay | undefined;
  #scan: NetworkScan = NOTHING;
  #last: Promise<void> = Promise.resolve();

  private constructor(namespace: NetworkNamespace, options: NetworkOptions) {
    this.#namespace = namespace;
    this.#options = options;
    this.#undo = new DisposableStack();
    this.#undo.use(namespace);
    this.#undo.defer(() => this.#over.abort());
  }

  /** @throws {RuntimeError} InvalidArgument: the engine's namespace cannot be used. */
  static open(options: NetworkOptions): SandboxNetwork {
    const { netnsPath } = options;
    const namespace = netnsPath === undefined
      ? NetworkNamespace.make()
      : NetworkNamespace.open(netnsPath);
    return new SandboxNetwork(namespace, options);
  }

  /** Leads to the pod's namespace, for processes that are to live in it. */
  get namespacePath(): string {
    return this.#namespace.path;
  }

  /** To be saved before {@linkcode connect}. */
  get saved(): SavedNetwork {
    const { netnsPath } = this.#options;
    return netnsPath === undefined ? {} : { netnsPath };
  }

  /**
   * Reads the namespace and ties its interfaces to network cards.
   * @param most How many cards the VM can have.
   * @returns The cards.
   * @throws {RuntimeError} Too many interfaces, or one that cannot be tied, by name.
   */
  connect(most: number): readonly Net[] {
    const { model } = this.#options;
    if (model === "none") return [];
    this.#scan = this.#read();
    const { length } = this.#scan.interfaces;
    if (length > most) {
      throw new RuntimeError(
        Code.ResourceExhausted,
        `Cannot connect ${length} network interfaces to the VM: it can have at most ${most}`,
      );
    }
    return this.#scan.interfaces.map(({ link }) => {
      const tied = this.#undo.use(this.#tie(link));
      this.#links.set(link.index, tied);
      return tied.net;
    });
  }

  /** The VM runs, and has its cards. */
  started(): void {
    for (const link of this.#links.values()) link.handedOver();
  }

  /** Gives the guest's cards the pod's addresses, routes and neighbours. @throws What the agent says. */
  configure(guest: NetworkGuest, signal: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#guest.tell(guest, this.#scan, signal));
  }

  /** Whether interfaces may come after the start: a namespace that was made is filled by hooks or the engine. */
  get mayGrow(): boolean {
    return this.#namespace.made && this.#options.model !== "none";
  }

  /**
   * Looks at the namespace again: plugs cards for interfaces that have come, unplugs those of interfaces that have
   * gone, and tells the guest what has changed.
   * @throws {RuntimeError} An interface cannot be tied, plugged or unplugged. @throws What the agent says.
   */
  refresh(guest: NetworkGuest, signal: AbortSignal): Promise<void> {
    if (this.#options.model === "none") return Promise.resolve();
    return this.#inTurn(() => this.#refresh(guest, signal));
  }

  /** Refreshes whenever the namespace changes, until disposal. What fails is logged: the next change tries again. */
  async follow(guest: NetworkGuest): Promise<void> {
    if (this.#options.model === "none") return;
    try {
      using changes = this.#namespace.inside(() => NetlinkSocket.open(WATCHED));
      await this.#followOnce(guest); // what has changed while the VM booted was told to nobody
      while (await changes.changed(this.#over.signal)) await this.#followOnce(guest);
    } catch (error) {
      log.error("Changes of the pod's network are not seen any more", { reason: messageOf(error) });
    }
  }

  /**
   * Carries connections to localhost in the pod's namespace to the guest's localhost, until disposal. A host that
   * cannot do it is no reason to do without the pod.
   */
  async forwardPorts(guest: GuestDialer): Promise<void> {
    const { forwardPorts } = await import("./port_forward.ts");
    try {
      await forwardPorts(this.#namespace.fd, guest, this.#over.signal);
    } catch (error) {
      log.warn("Ports of the guest cannot be reached at the pod's localhost", {
        reason: messageOf(error),
      });
    }
  }

  /** Has Docker's name server answer the guest, whenever there is one, until disposal. Never throws. */
  async relayNames(guest: GuestDialer): Promise<void> {
    this.#names ??= new NameRelay(this.#namespace, guest, this.#over.signal);
    await this.#names.look();
  }

  /** Unties everything. The VM must have ended. */
  [Symbol.dispose](): void {
    this.#undo.dispose();
  }

  async #followOnce(guest: NetworkGuest): Promise<void> {
    const { signal } = this.#over;
    try {
      await this.refresh(guest, AbortSignal.any([signal, AbortSignal.timeout(REFRESH_MS)]));
    } catch (error) {
      if (signal.aborted) return;
      log.warn("The guest does not follow its network", { reason: messageOf(error) });
    }
  }

  async #refresh(guest: NetworkGuest, signal: AbortSignal): Promise<void> {
    const scan = this.#read(), { interfaces } = scan;
    const there = new Set(interfaces.map(({ link }) => link.index));
    for (const [index, tied] of this.#links) {
      if (there.has(index)) continue;
      this.#links.delete(index);
      await this.#guest.unplug(guest, tied, signal);
      tied[Symbol.dispose]();
    }
    for (const { link } of interfaces) {
      if (!this.#links.has(link.index)) await this.#plug(guest, link);
    }
    this.#scan = scan;
    await this.#guest.tell(guest, scan, signal);
    await this.#names?.look();
  }

  async #plug(guest: NetworkGuest, link: Link): Promise<void> {
    using undo = new DisposableStack();
    const tied = undo.use(this.#tie(link));
    await this.#guest.plug(guest, tied);
    tied.handedOver();
    this.#links.set(link.index, tied);
    this.#undo.use(tied);
    undo.move();
  }

  #tie(link: Link): PodLink {
    const { model } = this.#options;
    if (model === "none") throw new TypeError("With this model no interface is tied");
    return PodLink.tie(this.#namespace, link, { ...this.#options, model });
  }

  /** One after the other: each begins with what the one before has made. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {}); // told to whoever asked for it
    return turn;
  }

  #read(): NetworkScan {
    try {
      return scanNetwork(this.#namespace.netlink);
    } catch (cause) {
      if (cause instanceof RuntimeError) throw cause;
      throw new RuntimeError(
        Code.Unavailable,
        `Cannot read the pod's network: ${messageOf(cause)}`,
        { cause },
      );
    }
  }
}
