import { assertEquals } from "@std/assert";
import { GUEST_DIR } from "../guest/build/manifest.ts";
import { lostSymbols, settings } from "./kernel_config.ts";

const FRAGMENT = '# a remark\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x"\n';

Deno.test("lostSymbols names what the configuration changed or left out", () => {
  assertEquals(lostSymbols(FRAGMENT, "CONFIG_A=m\n# CONFIG_B is not set\n"), [
    "CONFIG_A=y",
    'CONFIG_C="x"',
  ]);
});

Deno.test("lostSymbols is empty when all is kept", () => {
  assertEquals(lostSymbols(FRAGMENT, FRAGMENT + "CONFIG_D=y\n"), []);
});

Deno.test("kernel.fragment sets each symbol once, and builds no modules", async () => {
  const lines = settings(await Deno.readTextFile(`${GUEST_DIR}kernel.fragment`));
  const names = lines.map((line) => /CONFIG_\w+/.exec(line)?.[0]);
  assertEquals(names.filter((name, index) => names.indexOf(name) !== index), []);
  assertEquals(lines.filter((line) => line.endsWith("=m")), []);
});

Deno.test("kernel.fragment keeps what the guest cannot do without", async () => {
  const held = new Set(settings(await Deno.readTextFile(`${GUEST_DIR}kernel.fragment`)));
  const needed = [
    "PVH",
    "FILE_LOCKING",
    "VIRTIO_CONSOLE",
    "VIRTIO_VSOCKETS",
    "9P_FS",
    "OVERLAY_FS",
    "CGROUP_BPF",
    "SECCOMP_FILTER",
  ];
  assertEquals(needed.filter((name) => !held.has(`CONFIG_${name}=y`)), []);
});
