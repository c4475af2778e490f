/** How large a file system is, with what it takes for itself. */
export interface FileSystemSize {
  readonly blockBytes: number;
  readonly blocks: bigint;
}
