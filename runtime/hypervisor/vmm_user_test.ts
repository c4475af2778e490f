import { assert, assertEquals } from "@std/assert";
import { close } from "../../common/linux/fd.ts";
import { claimVmmUser } from "./vmm_user.ts";

Deno.test("claimVmmUser gives each VMM a user of its own, and never one of the system's", () => {
  const users = Array.from({ length: 200 }, claimVmmUser);
  assertEquals(new Set(users.map(({ uid }) => uid)).size, users.length);
  assert(users.every(({ uid }) => uid >= 0x7000_0000 && uid < 0x7001_0000));
  for (const { claimFd } of users) close(claimFd);
});
