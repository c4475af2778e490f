import { assertEquals, assertThrows } from "@std/assert";
import { Errno, errnoName } from "./errno.ts";
import { cString, errno, libcFunction, libcFunctionOnThread, symbolAddress } from "./libc.ts";
import { check, isErrno, SyscallError } from "./syscall_error.ts";

Deno.test("errno holds the reason of the failed call, the first time too", () => {
  const rmdir = libcFunction("rmdir", ["buffer"]);
  assertEquals([rmdir(cString("/no/such")), errno()], [-1, Errno.ENOENT]);
  assertEquals([rmdir(cString("/etc/passwd")), errno()], [-1, Errno.ENOTDIR]);
});

Deno.test("libcFunctionOnThread gives the result later", async () => {
  const getppid = libcFunctionOnThread("getppid", []);
  assertEquals(await getppid(), Deno.ppid);
});

Deno.test("symbolAddress says what libc lacks", () => {
  assertThrows(() => symbolAddress("no_such_function"), Error, "no_such_function");
});

Deno.test("cString ends with NUL and refuses one within", () => {
  assertEquals([...cString("aä")], [97, 0xc3, 0xa4, 0]);
  assertThrows(() => cString("a\0b"), TypeError, "NUL");
});

Deno.test("SyscallError names call, subject and reason", () => {
  const access = libcFunction("access", ["buffer", "i32"]);
  const call = (): number => check(access(cString("/none"), 0), "access", "/none");
  const error = assertThrows(call, SyscallError, "access /none: ENOENT");
  assertEquals([error.code, error.errno, error.call, error.subject], [
    "ENOENT",
    2,
    "access",
    "/none",
  ]);
  assertEquals([isErrno(error, "EPERM", "ENOENT"), isErrno(error, "EPERM")], [true, false]);
  assertEquals([isErrno(new Error(), "ENOENT"), errnoName(9999)], [false, "errno 9999"]);
});
