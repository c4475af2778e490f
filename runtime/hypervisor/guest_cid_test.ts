import { assert, assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { allocateGuestCid, type CidKeeper } from "./guest_cid.ts";

/** A kernel that has the ids of everybody, and a proposer that is of one mind with all others. */
function keeper(taken: Set<number>): CidKeeper {
  let next = 3;
  return {
    device: "/dev/null",
    propose: () => next++,
    take: (_fd, cid) => {
      if (taken.has(cid)) return false;
      taken.add(cid);
      return true;
    },
  };
}

Deno.test("allocateGuestCid takes no id that another has, however many propose the same", () => {
  const taken = new Set<number>();
  const guests = Array.from({ length: 20 }, () => allocateGuestCid(keeper(taken)));
  assertEquals(new Set(guests.map(({ cid }) => cid)).size, 20);
  assert(guests.every(({ vhostFd }) => vhostFd > 2), "each holds a device of its own");
  for (const guest of guests) guest[Symbol.dispose]();
});

Deno.test("allocateGuestCid gives up where no id is free, and leaves no descriptor open", () => {
  const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const none = { ...keeper(new Set()), take: () => false };
  const before = descriptors();
  assertThrows(() => allocateGuestCid(none), RuntimeError, "no free context id");
  assertEquals(descriptors(), before);
});
