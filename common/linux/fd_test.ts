import { assertEquals, assertThrows } from "@std/assert";
import { Errno } from "./errno.ts";
import { close, dup, O, open, openat2, OwnedFd, pipe, readSync, RESOLVE, writeSync } from "./fd.ts";
import { SyscallError } from "./syscall_error.ts";

const isOpen = (fd: number): boolean => {
  try {
    return Deno.lstatSync(`/proc/self/fd/${fd}`).isSymlink;
  } catch {
    return false;
  }
};

Deno.test("readSync and writeSync give counts or negated error numbers", () => {
  const [read, write] = pipe(O.NONBLOCK);
  const buffer = new Uint8Array(8);
  assertEquals(readSync(read, buffer), -Errno.EAGAIN);
  assertEquals(writeSync(write, new Uint8Array([1, 2, 3])), 3);
  assertEquals(readSync(read, buffer.subarray(2)), 3);
  assertEquals([...buffer], [0, 0, 1, 2, 3, 0, 0, 0]);
  close(read);
  assertEquals(writeSync(write, buffer), -Errno.EPIPE);
  close(write);
  assertEquals(writeSync(write, buffer), -Errno.EBADF);
});

Deno.test("open and close name what failed", () => {
  const error = assertThrows(() => open("/no/such", O.RDONLY), SyscallError);
  assertEquals(error.message, "open /no/such: ENOENT");
  assertEquals(assertThrows(() => close(99_999), SyscallError).code, "EBADF");
});

Deno.test("open, pipe and dup make close-on-exec descriptors", () => {
  const fds = [open("/dev/null", O.RDONLY), ...pipe()];
  const copy = dup(fds[0] ?? -1, 300);
  for (const fd of [...fds, copy]) {
    const flags = Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`).match(/flags:\s*(\d+)/)?.[1];
    assertEquals(parseInt(flags ?? "", 8) & O.CLOEXEC, O.CLOEXEC);
    close(fd);
  }
  assertEquals(copy >= 300, true);
});

Deno.test("OwnedFd closes with its scope, unless released", () => {
  const [read, write] = pipe();
  {
    using _ = new OwnedFd(read);
    using kept = new OwnedFd(write);
    assertEquals(kept.release(), write);
  }
  assertEquals([isOpen(read), isOpen(write)], [false, true]);
  const owned = new OwnedFd(write);
  owned.close();
  owned.close();
  assertEquals(isOpen(write), false);
});

Deno.test("openat2 does not let links lead out of the folder", () => {
  const folder = Deno.makeTempDirSync();
  Deno.symlinkSync("/etc/passwd", `${folder}/evil`);
  Deno.writeTextFileSync(`${folder}/good`, "");
  using root = new OwnedFd(open(folder, O.PATH | O.DIRECTORY));
  const how = { flags: O.RDONLY, resolve: RESOLVE.BENEATH };
  close(openat2(root.fd, "good", how));
  for (const path of ["evil", "../x", "/etc/passwd"]) {
    assertEquals(assertThrows(() => openat2(root.fd, path, how), SyscallError).code, "EXDEV");
  }
  const inRoot = { flags: O.RDONLY, resolve: RESOLVE.IN_ROOT };
  assertEquals(assertThrows(() => openat2(root.fd, "evil", inRoot), SyscallError).code, "ENOENT");
  Deno.removeSync(folder, { recursive: true });
});
