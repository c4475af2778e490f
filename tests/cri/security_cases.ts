/** What a container's processes may do, and as whom they run. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import {
  type LinuxContainerSecurityContextSchema as SecuritySchema,
  SecurityProfile_ProfileType as Profile,
} from "../support/cri/gen/cri_pb.ts";
import { EUID, GROUPS } from "../support/cri/images.ts";
import type { ContainerConfig, CriNode, Fields, Pod } from "../support/cri/node.ts";
import type { Case } from "./suite.ts";

type SecurityContext = Fields<typeof SecuritySchema>;

/** Runs a script to its end in a container of its own. @returns Its status and all that it printed, trimmed. */
async function script(
  node: CriNode,
  pod: Pod,
  text: string,
  securityContext: SecurityContext,
  more: ContainerConfig = {},
): Promise<{ code: number; text: string }> {
  const { status, log } = await node.runToEnd(pod, {
    command: ["/bin/sh", "-c", text],
    linux: { securityContext },
    ...more,
  });
  await node.runtime.removeContainer({ containerId: status.id });
  return { code: status.exitCode, text: log.trim() };
}

/** Adds a network interface, for which NET_ADMIN is needed. */
const MANAGE_NETWORK = "brctl addbr br-test && brctl delbr br-test";
const STATUS = (key: string): string => `sed -n 's/^${key}:[[:space:]]*//p' /proc/self/status`;

/** Allows everything but the given calls. */
async function denying(node: CriNode, ...names: string[]): Promise<string> {
  const path = `${node.logs}/deny-${names.join("-")}.json`;
  const profile = {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86_64"],
    syscalls: [{ names, action: "SCMP_ACT_ERRNO" }],
  };
  await Deno.writeTextFile(path, JSON.stringify(profile));
  return path;
}

async function localhost(node: CriNode, ...names: string[]): Promise<SecurityContext> {
  const localhostRef = await denying(node, ...names);
  return { seccomp: { profileType: Profile.Localhost, localhostRef } };
}

export const SECURITY: readonly Case[] = [
  ["runs as the user and group that are asked for, or named in the image", async (node, pod) => {
    const run = async (context: SecurityContext, more: ContainerConfig = {}): Promise<string> =>
      (await script(node, pod, "id -u; id -g", context, more)).text.replace("\n", ":");
    assertEquals(await run({ runAsUser: { value: 1234n } }), "1234:0");
    const both = { runAsUser: { value: 1234n }, runAsGroup: { value: 5678n } };
    assertEquals(await run(both), "1234:5678");
    assertEquals(await run({ runAsUsername: "nobody" }), "65534:65534");
    assertEquals(await run({}, { image: { image: GROUPS } }), "1000:1000");
    const error = await assertRejects(() => run({ runAsGroup: { value: 5678n } }), Error);
    assertMatch(error.message, /user/);
  }],
  [
    "belongs to the additional groups, and to those that the image gives its user",
    async (node, pod) => {
      const supplementalGroups = [1234n, 5678n];
      const { text } = await script(node, pod, "id -G", { supplementalGroups });
      assertEquals(text.split(" ").sort(), ["0", "1234", "5678"]);
      const merged = await script(
        node,
        pod,
        "id -G",
        { runAsUser: { value: 1000n }, supplementalGroups: [1234n] },
        { image: { image: GROUPS } },
      );
      assertEquals(merged.text.split(" ").sort(), ["1000", "1234", "50000"]);
    },
  ],
  ["has the capabilities of the default set, and those added or dropped", async (node, pod) => {
    const network = async (securityContext: SecurityContext): Promise<number> =>
      (await script(node, pod, MANAGE_NETWORK, securityContext)).code;
    assertNotEquals(await network({}), 0);
    assertEquals(await network({ capabilities: { addCapabilities: ["NET_ADMIN"] } }), 0);
    assertEquals(await network({ capabilities: { addCapabilities: ["ALL"] } }), 0);
    const owner = (dropCapabilities: string[]): Promise<{ code: number }> =>
      script(node, pod, "touch /tmp/f && chown 1000 /tmp/f", {
        capabilities: { dropCapabilities },
      });
    assertEquals((await owner([])).code, 0);
    assertNotEquals((await owner(["CHOWN"])).code, 0);
    assertNotEquals((await owner(["ALL"])).code, 0);
  }],
  ["that is privileged may manage its guest", async (node, pod) => {
    const manage =
      `${MANAGE_NETWORK} && mount -t tmpfs none /home && echo 1 > /proc/sys/vm/swappiness`;
    const { code, text } = await script(node, pod, manage, { privileged: true });
    assertEquals(code, 0, text);
    assertNotEquals((await script(node, pod, MANAGE_NETWORK, { privileged: false })).code, 0);
  }],
  ["has a writable root file system, or a read-only one", async (node, pod) => {
    const write = (readonlyRootfs: boolean): Promise<{ code: number }> =>
      script(node, pod, "echo text > /file && cat /file", { readonlyRootfs });
    assertEquals((await write(false)).code, 0);
    assertNotEquals((await write(true)).code, 0);
  }],
  ["sees masked paths empty and cannot write to read-only ones", async (node, pod) => {
    const look = "ls /bin/busybox -s | cut -d' ' -f1; cat /etc/nsswitch.conf; touch /tmp/f";
    const context = { maskedPaths: ["/etc/nsswitch.conf"], readonlyPaths: ["/tmp"] };
    const { code, text } = await script(node, pod, look, context);
    assertNotEquals(code, 0);
    assertMatch(text, /Read-only file system/);
    assert(!text.includes("passwd:"), text);
    assertEquals((await script(node, pod, "touch /tmp/f", {})).code, 0);
  }],
  ["gains privileges by set-user-ID programs, unless that is ruled out", async (node, pod) => {
    const run = (noNewPrivs: boolean): Promise<{ text: string }> =>
      script(node, pod, "/bin/euid", { noNewPrivs, runAsUser: { value: 1000n } }, {
        image: { image: EUID },
      });
    assertEquals((await run(false)).text, "0");
    assertEquals((await run(true)).text, "1000");
  }],
  ["has no seccomp filter, the default one, or the node's", async (node, pod) => {
    const mode = async (seccomp?: { profileType: Profile; localhostRef?: string }) =>
      (await script(node, pod, STATUS("Seccomp"), seccomp ? { seccomp } : {})).text;
    assertEquals(await mode(), "0");
    assertEquals(await mode({ profileType: Profile.Unconfined }), "0");
    assertEquals(await mode({ profileType: Profile.RuntimeDefault }), "2");
    const filtered = await localhost(node, "chmod", "fchmod", "fchmodat");
    const change = "touch /tmp/f && chmod 400 /tmp/f";
    const { code, text } = await script(node, pod, change, filtered);
    assertNotEquals(code, 0);
    assertMatch(text, /Operation not permitted/);
  }],
  ["may set the host name with SYS_ADMIN, unless a filter forbids it", async (node, pod) => {
    const capabilities = { addCapabilities: ["SYS_ADMIN"] };
    const name = async (context: SecurityContext): Promise<number> =>
      (await script(node, pod, "hostname changed; s=$?; hostname cri-pod; exit $s", context)).code;
    const filter = await localhost(node, "sethostname");
    assertNotEquals(await name({ capabilities, ...filter }), 0);
    const unconfined = { seccomp: { profileType: Profile.Unconfined } };
    assertEquals(await name({ capabilities, ...unconfined }), 0);
    assertEquals(await name({ privileged: true, ...filter }), 0);
  }],
];
