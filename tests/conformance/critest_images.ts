/** Images in place of those that critest pulls, made of Debian's programs. */
import { PAUSE, pauseSpec } from "../support/cri/images.ts";
import { imageBlobs, type ImageSpec } from "../support/oci_image.ts";
import type { TarEntry } from "../support/tar.ts";
import {
  busyboxLayer,
  dynamicProgram,
  ownProgram,
  PATH,
  programFile,
  type RegistryImage,
  textFile,
  withEntries,
} from "./image_parts.ts";
import { shellPath } from "./shell.ts";

const E2E = "e2e-test-images";
const STAGING = "k8s-staging-cri-tools";

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n" +
  "default-user:x:1000:1000::/:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n";
const GROUP = "root:x:0:\nwww-data:x:33:\ndefault-user:x:1000:\nnogroup:x:65534:\n";

/** busybox with programs of its own where critest masks or calls them. */
async function commonLayer(): Promise<TarEntry[]> {
  return withEntries(await busyboxLayer(), [
    ...await dynamicProgram(shellPath(), "/bin/sh"),
    await programFile("bin/ls", "/bin/busybox"),
    ...await dynamicProgram("/usr/bin/pgrep"),
    ...await dynamicProgram("/usr/bin/ipcs"),
    textFile("etc/passwd", PASSWD),
    textFile("etc/group", GROUP),
  ]);
}

/** The web server: called and seen as nginx is, with its file of its pid. */
const NGINX = `#!/bin/sh
trap 'exit 0' TERM QUIT
httpd -f -p "\${PORT:-80}" -h /www &
echo $$ > /var/run/nginx.pid
wait
`;

const HTTPD = "#!/bin/sh\necho 'httpd: serving'\nexec httpd -f -p 80 -h /www\n";

function webLayer(common: readonly TarEntry[]): TarEntry[] {
  return withEntries(common, [
    { kind: "directory", path: "var/run/", mode: 0o755 },
    textFile("usr/sbin/nginx", NGINX, 0o755),
    textFile("usr/bin/httpd-foreground", HTTPD, 0o755),
    textFile("www/index.html", "<html><title>It works</title></html>\n"),
  ]);
}

type Parts = Pick<ImageSpec, "layer"> & Partial<ImageSpec>;

async function image(repository: string, tag: string, parts: Parts): Promise<RegistryImage> {
  const name = `${repository}:${tag}`;
  const blobs = await imageBlobs({ name, command: ["sh"], env: [PATH], ...parts });
  return { repository, tag, blobs };
}

async function webImages(common: readonly TarEntry[]): Promise<RegistryImage[]> {
  const layer = webLayer(common), command = ["nginx", "master process"];
  const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
  const host = { layer, command, env: [PATH, "PORT=12003"] };
  return [
    await image(`${E2E}/nginx`, "1.14-2", { layer, command }),
    await image(`${E2E}/httpd`, "2.4.39-4", { layer, command: ["httpd-foreground"] }),
    await image(`${STAGING}/hostnet-nginx-${architecture}`, "latest", host),
  ];
}

async function privilegeImages(common: readonly TarEntry[]): Promise<RegistryImage[]> {
  const program = await programFile("nnp", await ownProgram("effective_uid"), 0o4755);
  const groups = textFile("etc/group", `${GROUP}group-defined-in-image:x:50000:default-user\n`);
  return [
    await image(`${E2E}/nonewprivs`, "1.3", {
      layer: withEntries(common, [program]),
      command: [],
      entrypoint: ["/nnp"],
    }),
    await image(`${STAGING}/test-image-predefined-group`, "latest", {
      layer: withEntries(common, [groups]),
      user: "1000",
    }),
  ];
}

/** Users as images name them. */
const USERS: Readonly<Record<string, string>> = {
  "user-uid": "1002",
  "user-username": "www-data",
  "user-uid-group": "1003:1004",
  "user-username-group": "www-data:1004",
};

async function userImages(common: readonly TarEntry[]): Promise<RegistryImage[]> {
  const made = Object.entries(USERS).map(([name, user]) =>
    image(`${STAGING}/test-image-${name}`, "latest", { layer: common, user })
  );
  return await Promise.all(made);
}

/** Images that are only pulled and listed, or mounted: what is told apart by name differs in a file. */
async function nameImages(common: readonly TarEntry[]): Promise<RegistryImage[]> {
  const named = (repository: string, tag: string, text: string): Promise<RegistryImage> =>
    image(`${STAGING}/${repository}`, tag, {
      layer: withEntries(common, [textFile("etc/name", text)]),
    });
  return await Promise.all([
    named("test-image-latest", "latest", "latest"),
    ...["test", "all"].map((tag) => named("test-image-tag", tag, tag)),
    ...["1", "2", "3"].map((number) => named(`test-image-${number}`, "latest", number)),
    ...["1", "2", "3"].map((tag) => named("test-image-tags", tag, "tags")),
  ]);
}

/** What holds a pod, and an image like it that critest pulls and removes. */
async function pauseImages(): Promise<RegistryImage[]> {
  const spec = await pauseSpec();
  const [repository = "", tag = ""] = PAUSE.replace(/^[^/]+\//, "").split(":");
  return [
    await image(repository, tag, spec),
    await image("pause", "3.9", { ...spec, env: ["RELEASE=3.9"] }),
  ];
}

/** All of them. @throws {Error} A Debian package is missing. */
export async function critestImages(): Promise<RegistryImage[]> {
  const common = await commonLayer();
  const groups = [webImages, privilegeImages, userImages, nameImages].map((make) => make(common));
  return [
    await image(`${E2E}/busybox`, "1.29-2", { layer: common }),
    ...(await Promise.all([...groups, pauseImages()])).flat(),
  ];
}
