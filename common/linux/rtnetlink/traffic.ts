/** Queueing disciplines and filters. Source: linux/pkt_sched.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h. */
import { isErrno } from "../syscall_error.ts";
import { type NetlinkSocket, NLM } from "../netlink.ts";
import {
  attribute,
  Attributes,
  joined,
  nested,
  textAttribute,
  u32,
  u32Attribute,
  viewOf,
} from "../netlink_message.ts";
import { RTM } from "./constants.ts";

const TCA_KIND = 1, TCA_OPTIONS = 2;
/** struct tcmsg: family, pad, index, handle, parent, info. */
const TCMSG_BYTES = 20;
const TC_H_ROOT = 0xffffffff, TC_H_INGRESS = 0xfffffff1, INGRESS_HANDLE = 0xffff0000;
const ETH_P_ALL = 0x0003;

const TCA_U32_SEL = 5, TCA_U32_ACT = 7, TC_U32_TERMINAL = 1;
/** struct tc_u32_sel, and one struct tc_u32_key, which with a mask of zero matches every packet. */
const SELECTOR_BYTES = 16, KEY_BYTES = 16;
const TCA_ACT_KIND = 1, TCA_ACT_OPTIONS = 2, TCA_MIRRED_PARMS = 2;
const TC_ACT_STOLEN = 4, TCA_EGRESS_REDIR = 1;
const TCA_TBF_PARMS = 1, TCA_TBF_RATE64 = 4, TCA_TBF_BURST = 6;

/** By these our filters and disciplines are known from those of others. */
const OUR_PREFERENCE = 0x4b61, OUR_HANDLE = 0x4b610000;

interface TrafficMessage {
  readonly index: number;
  readonly handle?: number;
  readonly parent: number;
  readonly info?: number;
}

function tcmsg({ index, handle = 0, parent, info = 0 }: TrafficMessage): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TCMSG_BYTES);
  const view = viewOf(bytes);
  view.setInt32(4, index, true);
  view.setUint32(8, handle, true);
  view.setUint32(12, parent, true);
  view.setUint32(16, info, true);
  return bytes;
}

/** Preference and protocol as a filter's info has them; the protocol in network byte order. */
function filterInfo(preference: number): number {
  return ((preference << 16) | (ETH_P_ALL << 8)) >>> 0;
}

function ourFilter(index: number): TrafficMessage {
  return { index, parent: INGRESS_HANDLE, info: filterInfo(OUR_PREFERENCE) };
}

/** Lets filters see what an interface receives; one that is there already serves as well. */
function addIngress(netlink: NetlinkSocket, index: number): void {
  const message = tcmsg({ index, handle: INGRESS_HANDLE, parent: TC_H_INGRESS });
  const body = joined(message, textAttribute(TCA_KIND, "ingress"));
  try {
    netlink.request("add an ingress discipline", RTM.NEWQDISC, NLM.CREATE | NLM.EXCL, body);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

function mirred(to: number): Uint8Array {
  const parameters = u32(0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, to);
  return nested(
    1,
    textAttribute(TCA_ACT_KIND, "mirred"),
    nested(TCA_ACT_OPTIONS, attribute(TCA_MIRRED_PARMS, parameters)),
  );
}

/** Everything: u32 is in more kernels than matchall. */
function matchAll(): Uint8Array {
  const selector = new Uint8Array(SELECTOR_BYTES + KEY_BYTES);
  selector[0] = TC_U32_TERMINAL;
  selector[2] = 1; // one key
  return attribute(TCA_U32_SEL, selector);
}

/**
 * Sends everything that one interface receives out of another.
 * @throws {NetlinkError} ENOENT: the kernel lacks u32 or mirred. ENODEV.
 */
export function redirect(netlink: NetlinkSocket, from: number, to: number): void {
  addIngress(netlink, from);
  const body = joined(
    tcmsg(ourFilter(from)),
    textAttribute(TCA_KIND, "u32"),
    nested(TCA_OPTIONS, matchAll(), nested(TCA_U32_ACT, mirred(to))),
  );
  netlink.request("redirect traffic", RTM.NEWTFILTER, NLM.CREATE | NLM.EXCL, body);
}

/**
 * Takes back what {@linkcode redirect} did: our filter, and the discipline unless others have filters there.
 * Repeating is harmless, and so is an interface that has gone.
 */
export function removeRedirect(netlink: NetlinkSocket, from: number): void {
  const gone = ["ENOENT", "ENODEV", "EINVAL"] as const; // no such filter, interface, or discipline
  quietly(gone, () => {
    netlink.request("remove a filter", RTM.DELTFILTER, 0, tcmsg(ourFilter(from)));
    const filter = { index: from, parent: INGRESS_HANDLE };
    if (netlink.dump("list filters", RTM.GETTFILTER, tcmsg(filter)).length > 0) return;
    const discipline = { index: from, handle: INGRESS_HANDLE, parent: TC_H_INGRESS };
    netlink.request("remove a discipline", RTM.DELQDISC, 0, tcmsg(discipline));
  });
}

/** Whether traffic that the interface receives is redirected by us. */
export function isRedirected(netlink: NetlinkSocket, from: number): boolean {
  const info = filterInfo(OUR_PREFERENCE);
  const filters = netlink.dump(
    "list filters",
    RTM.GETTFILTER,
    tcmsg({ index: from, parent: INGRESS_HANDLE }),
  );
  return filters.some((body) =>
    body.length >= TCMSG_BYTES && viewOf(body).getUint32(16, true) === info
  );
}

function quietly(codes: readonly ("ENOENT" | "ENODEV" | "EINVAL")[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isErrno(error, ...codes)) throw error;
  }
}

/** Nanoseconds are the unit of psched ticks times 64. Source: net/sched/sch_api.c, psched_show(). */
const TICK_NS = 64;

/** struct tc_ratespec: cell_log, linklayer, overhead, cell_align, mpu, rate. */
function rateSpec(bytesPerSecond: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = viewOf(bytes);
  view.setUint8(1, 1); // Ethernet: the kernel computes times itself and reads no table
  view.setUint32(8, Math.min(bytesPerSecond, 0xffffffff), true);
  return bytes;
}

/**
 * Bounds what an interface sends, by a token bucket.
 * @param bitsPerSecond More waits in a queue of a tenth of a second, and is dropped beyond that.
 * @throws {NetlinkError} ENOENT: the kernel lacks tbf. EEXIST: it has another discipline.
 */
export function limitRate(netlink: NetlinkSocket, index: number, bitsPerSecond: number): void {
  const rate = Math.max(1, Math.floor(bitsPerSecond / 8));
  // A whole GSO packet must fit, and what comes between two ticks of a slow timer.
  const burst = Math.max(64 * 1024 + 256, Math.floor(rate / 100));
  const limit = Math.floor(rate / 10) + burst;
  const bufferTicks = Math.min(0xffffffff, Math.floor(burst / rate * 1e9 / TICK_NS));
  const parameters = joined(
    rateSpec(rate),
    new Uint8Array(12), // no peak rate
    u32(Math.min(limit, 0xffffffff), bufferTicks, 0),
  );
  const rate64 = new Uint8Array(BigUint64Array.of(BigInt(rate)).buffer);
  const body = joined(
    tcmsg({ index, handle: OUR_HANDLE, parent: TC_H_ROOT }),
    textAttribute(TCA_KIND, "tbf"),
    nested(
      TCA_OPTIONS,
      attribute(TCA_TBF_PARMS, parameters),
      u32Attribute(TCA_TBF_BURST, burst),
      ...(rate > 0xffffffff ? [attribute(TCA_TBF_RATE64, rate64)] : []),
    ),
  );
  netlink.request("limit the rate", RTM.NEWQDISC, NLM.CREATE | NLM.EXCL, body);
}

/** Takes back what {@linkcode limitRate} did; repeating is harmless. */
export function removeRateLimit(netlink: NetlinkSocket, index: number): void {
  quietly(["ENOENT", "ENODEV", "EINVAL"], () => {
    const message = tcmsg({ index, handle: OUR_HANDLE, parent: TC_H_ROOT });
    netlink.request("remove a rate limit", RTM.DELQDISC, 0, message);
  });
}

/** Names of the disciplines of an interface, such as `ingress`. */
export function disciplines(netlink: NetlinkSocket, index: number): string[] {
  return netlink.dump("list disciplines", RTM.GETQDISC, tcmsg({ index: 0, parent: 0 }))
    .filter((body) => body.length >= TCMSG_BYTES && viewOf(body).getInt32(4, true) === index)
    .map((body) => new Attributes(body.subarray(TCMSG_BYTES)).text(TCA_KIND) ?? "");
}
