/** Source: linux/rtnetlink.h. */
export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  SETLINK: 19,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
  NEWQDISC: 36,
  DELQDISC: 37,
  GETQDISC: 38,
  NEWTFILTER: 44,
  DELTFILTER: 45,
  GETTFILTER: 46,
} as const;

/** Multicast groups, as bits for NetlinkSocket.open. */
export const RTMGRP = {
  LINK: 0x1,
  NEIGH: 0x4,
  IPV4_IFADDR: 0x10,
  IPV4_ROUTE: 0x40,
  IPV6_IFADDR: 0x100,
  IPV6_ROUTE: 0x400,
} as const;

export const AF_UNSPEC = 0, AF_INET = 2, AF_INET6 = 10;

/** Flags of an interface. Source: linux/if.h. */
export const IFF = {
  UP: 0x1,
  LOOPBACK: 0x8,
  NOARP: 0x80,
  PROMISC: 0x100,
  ALLMULTI: 0x200,
} as const;

/** What frames look like. Source: linux/if_arp.h. */
export const ARPHRD_ETHER = 1;
