/** Freezes plain data and everything in it. */
export function deepFreeze<T extends object>(data: T): T {
  for (const inner of Object.values(data)) {
    if (typeof inner === "object" && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(data);
}
