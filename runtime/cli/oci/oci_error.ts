/** A failure of a verb, worded as engines know it from runc; `exitCode` is the command's status. */
export class OciError extends Error {
  override readonly name = "OciError";
  constructor(message: string, readonly exitCode = 1, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Podman and CRI-O look for "does not exist". Source: runc's libcontainer/error.go. */
export function noContainer(): OciError {
  return new OciError("container does not exist");
}
