/** One mount as the kernel lists it. */
export interface MountInfo {
  readonly id: number;
  readonly parentId: number;
  /** "major:minor" of the file system. */
  readonly device: string;
  /** Which part of the file system is mounted. */
  readonly root: string;
  readonly mountPoint: string;
  /** Options of this mount, such as "ro", "nosuid". */
  readonly options: readonly string[];
  /** Propagation: "shared:7", "master:3"; empty when private. */
  readonly propagation: readonly string[];
  readonly fstype: string;
  readonly source: string;
  /** Options of the file system itself. */
  readonly superOptions: readonly string[];
}

/**
 * Reads the format of /proc/pid/mountinfo.
 * Source: proc(5), "/proc/pid/mountinfo".
 * @throws {SyntaxError} A line is not of that format.
 */
export function parseMountInfo(text: string): MountInfo[] {
  return text.split("\n").filter((line) => line !== "").map(parseLine);
}

function parseLine(line: string): MountInfo {
  const fields = line.split(" ");
  const separator = fields.indexOf("-", 6);
  const [id, parentId, device, root, mountPoint, options] = fields;
  const [fstype, source, superOptions] = fields.slice(separator + 1);
  if (separator === -1 || superOptions === undefined || !mountPoint || !root || !device) {
    throw new SyntaxError(`Not a line of mountinfo: ${JSON.stringify(line)}`);
  }
  return {
    id: Number(id),
    parentId: Number(parentId),
    device,
    root: unescapeOctal(root),
    mountPoint: unescapeOctal(mountPoint),
    options: (options ?? "").split(","),
    propagation: fields.slice(6, separator),
    fstype: unescapeOctal(fstype ?? ""),
    source: unescapeOctal(source ?? ""),
    superOptions: superOptions.split(","),
  };
}

/** The kernel writes blank, tab, newline, backslash and # as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}

/** All mounts of our mount namespace, oldest first. */
export function readMountInfo(): MountInfo[] {
  return parseMountInfo(Deno.readTextFileSync("/proc/self/mountinfo"));
}

/** The mounts on or below a path, oldest first. The path must be free of symbolic links. */
export function mountsUnder(path: string): MountInfo[] {
  const below = path.endsWith("/") ? path : `${path}/`;
  return readMountInfo().filter(({ mountPoint }) =>
    mountPoint === path || mountPoint.startsWith(below)
  );
}

/** Whether something is mounted right at the path; false also when the path does not exist. */
export function isMountPoint(path: string): boolean {
  const real = realPath(path);
  return real !== undefined && readMountInfo().some(({ mountPoint }) => mountPoint === real);
}

function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
