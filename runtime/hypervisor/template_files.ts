import { exists } from "../../common/base/exists.ts";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import type { VmTemplate } from "./hypervisor.ts";

/** A VM that cannot become a template. */
export function notAnOrigin(id: string): RuntimeError {
  return new RuntimeError(
    Code.FailedPrecondition,
    `Cannot save VM "${id}": it was not started as a template's origin`,
  );
}

/** @throws {RuntimeError} AlreadyExists: a template is never written over. */
export function refuseOld(template: VmTemplate): void {
  for (const path of [template.memory, template.state]) {
    if (exists(path)) {
      throw new RuntimeError(Code.AlreadyExists, `Cannot save a VM: "${path}" is there already`);
    }
  }
}
