import { assertEquals, assertStringIncludes } from "@std/assert";
import { printFindings } from "./check.ts";
import { type Finding, lacking, pass, verdictOf } from "./finding.ts";
import type { Host } from "./host.ts";
import { checkKernel } from "./kernel.ts";
import { checkEngines } from "./programs.ts";

const LACK = { verdict: "degraded", meaning: "slower", remedy: "modprobe x" } as const;

/** A host that has everything, less what is named. */
function host(
  lacks: { devices?: string[]; files?: Record<string, string | undefined> } = {},
): Host {
  const files: Record<string, string | undefined> = {
    "/proc/sys/kernel/osrelease": "6.1.0\n",
    "/proc/filesystems": "nodev\ttmpfs\nnodev\toverlay\n",
    "/sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
    ...lacks.files,
  };
  return {
    text: (path) => files[path],
    exists: (path) => path in files ? files[path] !== undefined : true,
    whyNot: (device) => lacks.devices?.includes(device) ? "No such file or directory" : undefined,
    version: () => Promise.resolve(undefined),
    find: () => undefined,
    ioUring: () => true,
  };
}

function named(findings: readonly Finding[], name: string): Finding | undefined {
  return findings.find((each) => each.name === name);
}

Deno.test("checkKernel passes a host that has everything", () => {
  assertEquals(verdictOf(checkKernel(host())), "pass");
});

Deno.test("checkKernel says of each lack what it means and what to do", () => {
  const findings = checkKernel(host({
    devices: ["/dev/vhost-vsock", "/dev/net/tun"],
    files: { "/proc/sys/kernel/osrelease": "5.4.0-generic\n", "/proc/filesystems": "" },
  }));
  assertEquals(named(findings, "tap devices")?.verdict, "fail");
  assertEquals(named(findings, "vsock in the kernel")?.verdict, "degraded");
  assertEquals(named(findings, "kernel")?.verdict, "fail");
  assertEquals(named(findings, "overlay file system")?.verdict, "degraded");
  for (const { verdict, meaning, remedy } of findings) {
    assertEquals(verdict === "pass", meaning === undefined && remedy === undefined);
  }
});

Deno.test("checkKernel tells to load a module only where the running kernel has it", () => {
  const remedy = (modules: string | undefined): string | undefined => {
    const files = { "/lib/modules/6.1.0/modules.dep": modules };
    const findings = checkKernel(host({ devices: ["/dev/vhost-vsock"], files }));
    return named(findings, "vsock in the kernel")?.remedy;
  };
  assertEquals(remedy("kernel/drivers/vhost/vhost_vsock.ko.xz: a.ko"), "modprobe vhost_vsock");
  assertEquals(remedy("kernel/drivers/vhost/vhost-vsock.ko:\n"), "modprobe vhost_vsock");
  for (const without of ["kernel/a.ko: kernel/vhost_vsock.ko", "", undefined]) {
    assertStringIncludes(remedy(without) ?? "", "boot a kernel with vhost_vsock");
  }
});

Deno.test("checkKernel tells controllers that neither version of cgroups has", () => {
  const files = { "/sys/fs/cgroup/cgroup.controllers": "cpu\n" };
  assertEquals(
    named(checkKernel(host({ files })), "cgroups")?.found,
    "no controllers memory, pids",
  );
});

Deno.test("checkEngines says that there is none", async () => {
  assertEquals((await checkEngines(host())).map(({ verdict }) => verdict), ["degraded"]);
});

Deno.test("printFindings tells scripts by its status, and people in words", async () => {
  const outcome = async (all: readonly Finding[], strict = false): Promise<[number, string]> => {
    let text = "";
    const print = (more: string): Promise<number> => (text += more, Promise.resolve(0));
    return [await printFindings(all, { json: false, strict }, print), text];
  };
  const fine = pass("a", "b"), less = lacking("c", "d", LACK);
  const bad = lacking("e", "f", { ...LACK, verdict: "fail" });
  assertEquals((await outcome([fine]))[0], 0);
  assertEquals((await outcome([fine, less]))[0], 0);
  assertEquals((await outcome([fine, less], true))[0], 2);
  const [status, text] = await outcome([fine, less, bad]);
  assertEquals(status, 1);
  for (const part of ["FAIL      e: f", "means: slower", "do: modprobe x", "cannot run"]) {
    assertStringIncludes(text, part);
  }
});
