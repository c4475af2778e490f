/** Reads guest/rootfs.json, the one list of what the guest's root file system holds. */

/** A directory, mode 0755 unless it says otherwise (octal text). */
export interface DirectoryItem {
  readonly path: string;
  readonly mode?: string;
}

/** A symbolic link. */
export interface SymlinkItem {
  readonly path: string;
  readonly target: string;
}

/** A device node needed before /dev is mounted. */
export interface DeviceItem {
  readonly path: string;
  readonly mode: string;
  readonly type: "c" | "b";
  readonly major: number;
  readonly minor: number;
}

/** One of our own files; `source` is relative to guest/. */
export interface FileItem {
  readonly path: string;
  readonly source: string;
}

/** Programs of one package: `from` is a file or folder in Debian's package. */
export interface ProgramItem {
  readonly debian: string;
  readonly buildroot: readonly string[];
  readonly files: readonly { readonly path: string; readonly from: string }[];
  readonly aliases?: readonly SymlinkItem[];
}

/** Kernel modules by name, for a kernel that does not have them built in. */
export interface KernelItem {
  readonly debian: string;
  readonly buildroot: readonly string[];
  /** Loaded at every start. */
  readonly always: readonly string[];
  /** Loaded when their device is there or appears. */
  readonly devices: readonly string[];
  /** Further modules to load with one of `devices`. */
  readonly together: Readonly<Record<string, readonly string[]>>;
  /** Shipped for the kernel to ask for (modprobe). */
  readonly onDemand: readonly string[];
}

/** The manifest; every path is relative to the guest's root. */
export interface Manifest {
  readonly directories: readonly DirectoryItem[];
  readonly symlinks: readonly SymlinkItem[];
  readonly devices: readonly DeviceItem[];
  readonly files: readonly FileItem[];
  readonly init: FileItem;
  readonly agent: { readonly path: string };
  readonly programs: readonly ProgramItem[];
  /** Debian packages that may provide the libraries programs need. */
  readonly libraryPackages: readonly string[];
  readonly applets: {
    readonly program: string;
    readonly bin: readonly string[];
    readonly sbin: readonly string[];
  };
  readonly kernel: KernelItem;
}

/** The folder guest/ of this checkout. */
export const GUEST_DIR = new URL("../", import.meta.url).pathname;

/** Reads the manifest of this checkout; its shape is checked by the tests beside this file. */
export async function readManifest(): Promise<Manifest> {
  return JSON.parse(await Deno.readTextFile(`${GUEST_DIR}rootfs.json`));
}

/** Links from each applet's usual place to the one program that serves them all. */
export function appletLinks({ program, bin, sbin }: Manifest["applets"]): SymlinkItem[] {
  const link = (folder: string) => (name: string): SymlinkItem => ({
    path: `${folder}/${name}`,
    target: `/${program}`,
  });
  return [...bin.map(link("bin")), ...sbin.map(link("sbin"))];
}

/** The Debian packages to fetch besides the kernel. */
export function debianPackages(manifest: Manifest): string[] {
  return [...manifest.programs.map((program) => program.debian), ...manifest.libraryPackages]
    .sort();
}
