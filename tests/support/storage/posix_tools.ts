import { compileC } from "../../../tools/lib/c_program.ts";
import { rounds } from "../full.ts";

/** What a small file system has room for. */
export const FEW_FILES = 300;
/** How many small files one folder is to hold. */
export const MANY_FILES = rounds(FEW_FILES, 100_000);
/** The part of the host's limit of open files that a share's helper may spend on one folder's files. */
const SHARE_OF_LIMIT = 0.75;

/** The same where a helper has each of the guest's files open, within the hard limit (`/proc/self/limits`, proc(5)). */
export function filesWithinLimit(limits = Deno.readTextFileSync("/proc/self/limits")): number {
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return hard ? Math.min(MANY_FILES, Math.floor(Number(hard) * SHARE_OF_LIMIT)) : MANY_FILES;
}

/** The program posix_cases in a folder that `ctr run` can mount; disposing removes it. */
export class PosixTools implements AsyncDisposable {
  private constructor(readonly folder: string, readonly files: number) {}

  /** @param files How many small files a folder is to hold. */
  static async make(files = MANY_FILES): Promise<PosixTools> {
    const folder = await Deno.makeTempDir({ prefix: "kata-posix-" });
    await compileC("tests/support/storage/posix_cases.c", `${folder}/posix_cases`);
    return new PosixTools(folder, files);
  }

  /** Flags of `ctr run`. */
  get mount(): string[] {
    return ["--mount", `type=bind,src=${this.folder},dst=/tools,options=rbind:ro`];
  }

  /** What to run: all cases in a folder of the root file system. */
  get command(): string[] {
    return ["sh", "-c", `mkdir /cases && /tools/posix_cases /cases ${this.files}`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}
