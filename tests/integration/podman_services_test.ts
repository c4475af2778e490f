/** What Podman does for services: YAML of Kubernetes, health, restarts, names, attaching, logs that are bounded. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { leaks, snapshot } from "../support/leaks.ts";
import { Podman } from "../support/podman.ts";
import { TypedTerminal } from "../support/typed_terminal.ts";

const LOADED = "busybox";
/** Longest wait for what Podman does by itself. */
const WAIT_MS = 60_000;

/** Between two keys, as a person types them. */
const KEY_MS = 300;

const KUBE = `apiVersion: v1
kind: Pod
metadata:
  name: played
spec:
  restartPolicy: Never
  volumes:
  - name: shared
    emptyDir: {}
  containers:
  - name: web
    image: docker.io/library/busybox:latest
    imagePullPolicy: Never
    command: ["sh", "-c", "echo page >/srv/page; exec httpd -f -p 8080 -h /srv"]
    volumeMounts:
    - {name: shared, mountPath: /srv}
  - name: client
    image: docker.io/library/busybox:latest
    imagePullPolicy: Never
    env:
    - {name: WORD, value: from the YAML}
    command: ["sh", "-c", "until wget -qO - localhost:8080/page; do sleep 0.2; done; echo $WORD; sleep 1000"]
    volumeMounts:
    - {name: shared, mountPath: /data}
`;

/** Waits until what Podman prints holds a text. It has no event for these, so it is asked again as it answers. */
async function until(podman: Podman, text: string, ...args: readonly string[]): Promise<string> {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const { stdout, stderr } = await podman.call(args);
    if (stdout.includes(text)) return stdout;
    if (Date.now() > end) {
      throw new Error(`no "${text}" from podman ${args.join(" ")}: ${stdout}${stderr}`);
    }
  }
}

/** Types ctrl-p and ctrl-q apart: Podman knows them only when it reads one at a time, and nobody tells when it has. */
async function detach(attached: TypedTerminal): Promise<void> {
  await attached.type("\x10");
  await new Promise((resolve) => setTimeout(resolve, KEY_MS));
  await attached.type("\x11");
}

Deno.test("podman runs services", async (test) => {
  const before = await snapshot();
  {
    await using podman = await Podman.start();

    await test.step("play kube: a pod of two containers that share localhost and a volume", async () => {
      const file = `${podman.directory}/pod.yaml`;
      await Deno.writeTextFile(file, KUBE);
      await podman.output("play", "kube", file);
      const logs = await until(podman, "from the YAML", "logs", "played-client");
      assertEquals(logs, "page\nfrom the YAML\n");
      assertEquals(await podman.output("exec", "played-client", "cat", "/data/page"), "page");
      assertMatch(
        await podman.output("pod", "ps", "--format", "{{.Name}} {{.Status}}"),
        /played Running/,
      );
      await podman.output("play", "kube", "--down", file);
    });

    await test.step("a health check runs in the guest", async () => {
      const check = ["--health-cmd", "test -e /healthy", "--health-interval", "disable"];
      await podman.output("run", "-d", "--name", "checked", ...check, LOADED, "sleep", "1000");
      assertEquals((await podman.call(["healthcheck", "run", "checked"])).code, 1);
      await podman.output("exec", "checked", "touch", "/healthy");
      assertEquals((await podman.call(["healthcheck", "run", "checked"])).code, 0);
      await podman.output("rm", "-f", "-t", "0", "checked");
    });

    await test.step("a container that fails is started again, as often as its policy says", async () => {
      const policy = ["--restart", "on-failure:2"];
      await podman.output(
        "run",
        "-d",
        "--name",
        "failing",
        ...policy,
        LOADED,
        "sh",
        "-c",
        "echo try; exit 3",
      );
      await until(podman, "try\ntry\ntry\n", "logs", "failing");
      await podman.output("wait", "failing");
      const format = "{{.RestartCount}} {{.State.ExitCode}} {{.State.Status}}";
      assertMatch(
        await podman.output("inspect", "--format", format, "failing"),
        /^2 3 (exited|stopped)$/,
      );
      await podman.output("rm", "failing");
    });

    await test.step("containers of a network of their own find each other by name", async () => {
      await podman.output("network", "create", "ours");
      const run = ["run", "-d", "--network", "ours", "--name"];
      await podman.output(
        ...run,
        "server",
        LOADED,
        "sh",
        "-c",
        "echo named >/page; exec httpd -f -p 80 -h /",
      );
      const script = "until wget -qO - http://server/page; do sleep 0.2; done";
      assertEquals(
        await podman.output("run", "--rm", "--network", "ours", LOADED, "sh", "-c", script),
        "named",
      );
      await podman.output("rm", "-f", "-t", "0", "server");
      await podman.output("network", "rm", "ours");
    });

    await test.step("attach sees and types, and ctrl-p ctrl-q leaves the container running", async () => {
      await podman.output("run", "-dit", "--name", "shell", LOADED, "sh");
      const [, ...argv] = podman.argv("attach", "shell");
      using attached = new TypedTerminal(["/usr/bin/podman", ...argv]);
      await attached.typeUntil("echo typed$((1))here\r", "typed1here");
      await detach(attached);
      assertEquals(await attached.ended, { code: 0 });
      assertEquals(
        await podman.output("inspect", "--format", "{{.State.Status}}", "shell"),
        "running",
      );
      await podman.output("rm", "-f", "-t", "0", "shell");
    });

    await test.step("a log that is bounded keeps its newest lines", async () => {
      const bounded = ["--log-driver", "k8s-file", "--log-opt", "max-size=10kb"];
      await podman.output("run", "--name", "noisy", ...bounded, LOADED, "seq", "5000");
      const path = await podman.output(
        "inspect",
        "--format",
        "{{.HostConfig.LogConfig.Path}}",
        "noisy",
      );
      assert((await Deno.stat(path)).size <= 10_240 * 2, path);
      assertStringIncludes(await podman.output("logs", "--tail", "1", "noisy"), "5000");
      await podman.output("rm", "noisy");
    });
  }
  assertEquals(await leaks(before), []);
});
