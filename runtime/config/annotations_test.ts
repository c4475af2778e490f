import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { annotationNames, PREFIX, targetOf } from "./annotation_names.ts";
import { applyAnnotations } from "./annotations.ts";
import { buildConfig, type RuntimeConfig } from "./load.ts";
import { SCHEMA } from "./schema/schema.ts";

function configWith(text: string): RuntimeConfig {
  return buildConfig([{ name: "x", text }], { binaryDir: "/opt/kata", searchPath: "" });
}

const OPEN = configWith("[hypervisor.qemu]\nenable_annotations = ['.*']\nkernel_params = 'base'");
const DEFAULTS = configWith("");

function apply(config: RuntimeConfig, name: string, value: string): RuntimeConfig {
  return applyAnnotations(config, { [`${PREFIX}${name}`]: value });
}

function refusal(config: RuntimeConfig, name: string, value: string): RuntimeError {
  const error = assertThrows(() => apply(config, name, value), RuntimeError);
  assertStringIncludes(error.message, name);
  return error;
}

Deno.test("applyAnnotations changes what enable_annotations names, and nothing else", () => {
  const config = apply(DEFAULTS, "hypervisor.default_memory", "512");
  assertEquals(config.hypervisor.defaultMemory, 512);
  assertEquals({ ...config.hypervisor, defaultMemory: 2048 }, { ...DEFAULTS.hypervisor });
  assert(Object.isFrozen(config.hypervisor));
  assertEquals(refusal(DEFAULTS, "hypervisor.kernel_params", "quiet").code, Code.PermissionDenied);
  assertEquals(
    refusal(DEFAULTS, "runtime.sandbox_cgroup_only", "false").code,
    Code.PermissionDenied,
  );
});

Deno.test("applyAnnotations matches a pattern against the whole name", () => {
  const config = configWith("[hypervisor.qemu]\nenable_annotations = ['kernel', 'a|initrd']");
  assertEquals(refusal(config, "hypervisor.kernel_params", "quiet").code, Code.PermissionDenied);
  assertEquals(apply(config, "hypervisor.initrd", "/etc/passwd").hypervisor.initrd, "/etc/passwd");
});

Deno.test("applyAnnotations leaves other annotations alone", () => {
  const others = {
    "io.katacontainers.pkg.oci.bundle_path": "/x",
    "io.kubernetes.cri.sandbox-id": "s",
  };
  assertStrictEquals(applyAnnotations(DEFAULTS, others), DEFAULTS);
});

Deno.test("applyAnnotations parses each type strictly", () => {
  assertEquals(apply(OPEN, "hypervisor.default_vcpus", "1.5").hypervisor.defaultVcpus, 1.5);
  assertEquals(apply(OPEN, "hypervisor.default_max_vcpus", "4").hypervisor.defaultMaxvcpus, 4);
  assertEquals(apply(OPEN, "hypervisor.enable_hugepages", "true").hypervisor.enableHugepages, true);
  assertEquals(
    apply(OPEN, "hypervisor.kernel_params", "quiet").hypervisor.kernelParams,
    "base quiet",
  );
  assertEquals(apply(OPEN, "agent.kernel_modules", "e1000e EEE=1; i915").agent.kernelModules, [
    "e1000e EEE=1",
    "i915",
  ]);
  assertEquals(
    apply(OPEN, "hypervisor.virtio_fs_extra_args", '["-o","x"]').hypervisor.virtioFsExtraArgs,
    ["-o", "x"],
  );
  for (
    const value of ["", " 512", "0x200", "5e2", "-1", "512MiB", "1e400", "99999999999999999999"]
  ) {
    refusal(OPEN, "hypervisor.default_memory", value);
  }
  for (const value of ["TRUE", "1", "yes", ""]) refusal(OPEN, "hypervisor.enable_hugepages", value);
  refusal(OPEN, "hypervisor.virtio_fs_extra_args", "[1]");
  refusal(OPEN, "hypervisor.shared_fs", "nfs");
  refusal(OPEN, "hypervisor.kernel_params", "a\nb");
  refusal(OPEN, "hypervisor.kernel_params", "a".repeat(70_000));
  refusal(OPEN, "hypervisor.kernel", "");
});

Deno.test("applyAnnotations lets a path through only inside its valid_ globs, even with every name enabled", () => {
  for (const name of ["path", "virtio_fs_daemon", "vhost_device_vsock"]) {
    assertEquals(refusal(OPEN, `hypervisor.${name}`, "/bin/sh").code, Code.PermissionDenied);
  }
  const config = configWith(
    "[hypervisor.qemu]\nenable_annotations = ['path']\nvalid_hypervisor_paths = ['/bin/s?']",
  );
  assertEquals(apply(config, "hypervisor.path", "/bin/sh").hypervisor.path, "/bin/sh");
  for (const path of ["/bin/../bin/sh", "/bin//sh", "bin/sh", "/bin/sh/", "/bin/cat"]) {
    refusal(config, "hypervisor.path", path);
  }
  assertEquals(
    apply(OPEN, "hypervisor.entropy_source", "/dev/random").hypervisor.entropySource,
    "/dev/random",
  );
  assertEquals(
    refusal(OPEN, "hypervisor.entropy_source", "/etc/passwd").code,
    Code.PermissionDenied,
  );
});

Deno.test("applyAnnotations refuses unknown names and those without a meaning, by name", () => {
  assertStringIncludes(refusal(OPEN, "hypervisor.krnel", "x").message, "it is unknown");
  assertStringIncludes(
    refusal(OPEN, "hypervisor.enable_annotations", ".*").message,
    "it is unknown",
  );
  assertStringIncludes(
    refusal(OPEN, "hypervisor.valid_hypervisor_paths", "/").message,
    "it is unknown",
  );
  assertStringIncludes(refusal(OPEN, "hypervisor.kernel_hash", "00").message, "not hashed");
  assertStringIncludes(
    refusal(OPEN, "hypervisor.enable_iommu", "true").message,
    "not passed through",
  );
  assertStrictEquals(apply(OPEN, "hypervisor.enable_iommu", "false").hypervisor.name, "qemu");
  assertStringIncludes(
    refusal(OPEN, "hypervisor.jailer_path", "/bin/sh").message,
    "firecracker only",
  );
});

Deno.test("applyAnnotations: an image replaces the initrd, both are refused", () => {
  const { image, initrd } = apply(OPEN, "hypervisor.image", "/etc/passwd").hypervisor;
  assertEquals([image, initrd], ["/etc/passwd", ""]);
  const both = {
    [`${PREFIX}hypervisor.image`]: "/etc/passwd",
    [`${PREFIX}hypervisor.initrd`]: "/etc/passwd",
  };
  assertThrows(
    () => applyAnnotations(OPEN, both),
    RuntimeError,
    "initrd is set by an annotation too",
  );
});

Deno.test("every annotation stands for a key of the schema or a reason", () => {
  for (const name of annotationNames()) {
    const target = targetOf(name);
    assert(target !== undefined, name);
    if ("refused" in target) continue;
    assert(Object.hasOwn(SCHEMA[target.section], target.key), name);
    if (target.guard !== undefined) {
      assert(Object.hasOwn(SCHEMA[target.section], target.guard), name);
    }
  }
});

Deno.test("hostile annotations are refused with a RuntimeError or give a frozen configuration; none reaches a path", () => {
  const name = fc.oneof(
    fc.constantFrom(...annotationNames()),
    fc.string(),
    fc.constantFrom(
      "hypervisor.__proto__",
      "hypervisor.constructor",
      "hypervisor.",
      "hypervisor",
      "",
      "__proto__.x",
    ),
  );
  const value = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("true", "1", "/bin/sh", "[", '["a"]', "../x"),
  );
  fc.assert(
    fc.property(
      fc.dictionary(name.map((it) => `${PREFIX}${it}`), value, { maxKeys: 3 }),
      (annotations) => {
        for (const config of [OPEN, DEFAULTS]) {
          check(config, annotations);
        }
      },
    ),
    { numRuns: 500 },
  );
});

function check(config: RuntimeConfig, annotations: Record<string, string>): void {
  try {
    const { hypervisor } = applyAnnotations(config, annotations);
    assert(Object.isFrozen(hypervisor));
    assertEquals(hypervisor.path, config.hypervisor.path);
    assertEquals(Object.keys(hypervisor), Object.keys(config.hypervisor));
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    assert(error.message.startsWith("Annotation "), error.message);
  }
}

Deno.test("applyAnnotations looks for the helper of another share", () => {
  assertEquals(OPEN.hypervisor.virtioFsDaemon, "");
  const { sharedFs, virtioFsDaemon } = apply(OPEN, "hypervisor.shared_fs", "virtio-fs").hypervisor;
  assertEquals(sharedFs, "virtio-fs");
  assert(virtioFsDaemon === "" || Deno.statSync(virtioFsDaemon).isFile);
});
