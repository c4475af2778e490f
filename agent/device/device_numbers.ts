/** Major and minor of Linux's dev_t, as stat(2) gives it. Source: glibc's bits/sysmacros.h. */
export function deviceNumbers(rdev: number): { major: number; minor: number } {
  const value = BigInt(rdev);
  return {
    major: Number((value >> 8n) & 0xfffn | (value >> 32n) & 0xfffff000n),
    minor: Number(value & 0xffn | (value >> 12n) & 0xffffff00n),
  };
}
