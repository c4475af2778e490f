import type { Device, GuestLocation, Net } from "../device.ts";
import type { MachineProfile } from "./machine.ts";

/** A network card with its place on the root bus, `18.0`; none where the machine has no PCI. */
export type PlacedNet = Net & { readonly address?: string };

/** Device numbers on the root bus that are kept for network cards, eight functions each. */
const FIRST_SLOT = 0x18, SLOTS = 7, FUNCTIONS = 8;
/** Most network cards that a VM can be started with. */
export const MAX_NETS = SLOTS * FUNCTIONS;

/** Slot and function as PCI's tools write them: `18.0`. */
function addressOf(index: number): string {
  return `${(FIRST_SLOT + Math.floor(index / FUNCTIONS)).toString(16)}.${index % FUNCTIONS}`;
}

/** Gives each network card its place, so that the guest can tell those with the same hardware address apart. */
export function placeNets(
  devices: readonly Device[],
  { virtioBus }: MachineProfile,
): (Exclude<Device, Net> | PlacedNet)[] {
  let index = 0;
  return devices.map((device) =>
    device.kind === "net" && virtioBus === "pci"
      ? { ...device, address: addressOf(index++) }
      : device
  );
}

/** Where the guest finds each network card, by its id. */
export function netLocations(
  devices: readonly Device[],
  machine: MachineProfile,
): ReadonlyMap<string, GuestLocation> {
  const placed = placeNets(devices, machine).filter((device) => device.kind === "net");
  return new Map(
    placed.flatMap(({ id, address }) =>
      address === undefined ? [] : [[id, { kind: "pci", path: address }] as const]
    ),
  );
}
