/** Port of QEMU's isa-debug-exit device; writing `n` to it ends QEMU with status `2n + 1`. */
export const PROBE_PORT = 0xf4;
/** How QEMU exits when the program in the ROM came to its end. */
export const PROBE_SUCCESS = 0x10 * 2 + 1;

/**
 * A program for a PC without firmware: from reset to 64-bit mode with paging, there ten million times
 * `push; pop; dec; jnz`, then {@linkcode PROBE_SUCCESS}.
 *
 * 15 ms on a processor, 60 ms translated by TCG. Where the host's KVM lacks what it takes to run a guest's kernel
 * mode and interprets it instead, instruction by instruction, it takes far over ten seconds: there a Linux kernel
 * seems to hang in its first second. A program of a few instructions would pass.
 *
 * Assembly (GNU as), from offset 0, which the processor sees at 0xf0000:
 * ```
 *   .code16
 *   cli; xorl %eax,%eax; movw %ax,%ds; movw %ax,%ss
 *   movl $0x2003,0x1000; movl $0x3003,0x2000; movl $0x83,0x3000   # one 2 MiB page, mapped to itself
 *   movw $0xf000,%ax; movw %ax,%ds; lgdtl gdtr
 *   movl $0x20,%eax; movl %eax,%cr4; movl $0x1000,%eax; movl %eax,%cr3
 *   movl $0xc0000080,%ecx; rdmsr; orl $0x100,%eax; wrmsr          # long mode
 *   movl %cr0,%eax; orl $0x80000001,%eax; movl %eax,%cr0; ljmpl $8,$long
 *   .code64
 * long: movl $0x8000,%esp; movl $10000000,%ecx
 * 1: pushq %rcx; popq %rax; decl %ecx; jnz 1b
 *   movb $0x10,%al; outb %al,$0xf4
 * 2: hlt; jmp 2b
 *   .align 8
 * gdt: .quad 0, 0x00209a0000000000, 0x0000920000000000
 * gdtr: .word 23; .long gdt
 * ```
 */
const PROGRAM = "fa6631c08ed88ed066c706001003200000" + "66c70600200330000066c7060030830000" +
  "00b800f08ed8660f0116980066b820000000" + "0f22e066b8001000000f22d866b9800000c0" +
  "0f32660d000100000f300f20c0660d010000" + "800f22c066ea64000f000800bc00800000b9" +
  "809698005158ffc975fab010e6f4f4ebfd0f" + "1f440000000000000000000000000000009a" +
  "20000000000000920000170080000f00";

/** `ljmp $0xf000,$0`, executed at reset. */
const RESET = "ea000000f0";
const ROM_BYTES = 64 * 1024, RESET_OFFSET = 0xfff0;

/** The ROM, to be given to `-bios`. */
export function probeRom(): Uint8Array<ArrayBuffer> {
  const rom = new Uint8Array(ROM_BYTES).fill(0xf4);
  rom.set(Uint8Array.fromHex(PROGRAM), 0);
  rom.set(Uint8Array.fromHex(RESET), RESET_OFFSET);
  return rom;
}
