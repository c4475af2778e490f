/** Debian's programs in a test's root file system, and a package for them to install. */
import { resolvePackages, unpackPackages } from "../../../guest/build/packages.ts";
import { output } from "../../../tools/lib/command.ts";
import { cacheDir } from "../../../tools/lib/paths.ts";

/** What the workloads call, with the libraries that it needs. */
const PACKAGES = [
  ...["libc6", "libc-bin", "zlib1g", "libtinfo6", "libreadline8", "libselinux1", "libpcre2-8-0"],
  ...["sqlite3", "libsqlite3-0"],
  ...["git", "tcc", "make", "libc6-dev", "linux-libc-dev", "libcrypt-dev"],
  ...["dpkg", "tar", "libacl1", "libmd0", "libbz2-1.0", "liblzma5", "libzstd1", "findutils"],
];

/** Unpacks Debian's programs over a root file system, and puts the workloads' scripts into its folder `workloads`. */
export async function addDebian(root: string): Promise<void> {
  const versions = await resolvePackages(PACKAGES);
  for (const { root: files } of await unpackPackages(versions, `${cacheDir()}/guest`)) {
    await output(["cp", "-a", "--remove-destination", `${files}/.`, root]);
  }
  await output(["rm", "-rf", `${root}/usr/share/doc`, `${root}/usr/share/locale`]);
  for (const folder of ["info", "updates", "parts", "triggers"]) {
    await Deno.mkdir(`${root}/var/lib/dpkg/${folder}`, { recursive: true });
  }
  await Deno.writeTextFile(`${root}/var/lib/dpkg/status`, "");
  const scripts = new URL("workloads/", import.meta.url).pathname;
  await output(["cp", "-a", scripts, `${root}/workloads`]);
  for (const version of [1, 2]) await makePackage(`${root}/workloads`, version);
}

const CONTROL = (version: number): string =>
  `Package: workload
Version: ${version}
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: what packages have
`;

/** A package with a program, many files, links of both kinds, a configuration file and maintainer scripts. */
async function makePackage(folder: string, version: number): Promise<void> {
  const top = `${folder}/workload_${version}`, share = `${top}/usr/share/workload`;
  for (const path of ["DEBIAN", "etc", "usr/bin", "usr/share/workload"]) {
    await Deno.mkdir(`${top}/${path}`, { recursive: true });
  }
  await Deno.writeTextFile(`${top}/DEBIAN/control`, CONTROL(version));
  await Deno.writeTextFile(`${top}/DEBIAN/conffiles`, "/etc/workload.conf\n");
  const script =
    `#!/bin/sh\nmkdir -p /var/lib/workload && echo "$0 $*" | sed 's/.*info.//' >>/var/lib/workload/log\n`;
  const purge = `#!/bin/sh\n[ "$1" != purge ] || rm -r /var/lib/workload\n`;
  const program = `#!/bin/sh\necho version ${version}\n`;
  await executable(`${top}/DEBIAN/postinst`, script);
  await executable(`${top}/DEBIAN/postrm`, purge);
  await executable(`${top}/usr/bin/workload`, program);
  await Deno.writeTextFile(`${top}/etc/workload.conf`, `version = ${version}\n`);
  for (let at = version; at < 200; at++) {
    await Deno.writeTextFile(`${share}/file${at}`, `${at * version}\n`.repeat(at));
  }
  await Deno.link(`${share}/file2`, `${share}/hard`);
  await Deno.symlink("file3", `${share}/soft`);
  const sums = await output(["sh", "-c", "find usr -type f | sort | xargs md5sum"], { cwd: top });
  await Deno.writeTextFile(`${top}/DEBIAN/md5sums`, sums);
  await output(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", top, `${top}.deb`]);
  await Deno.remove(top, { recursive: true });
}

async function executable(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text);
  await Deno.chmod(path, 0o755);
}
