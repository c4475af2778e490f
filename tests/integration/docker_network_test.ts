/** Docker's own networking: published ports, networks with names, none at all, and networks that come and go. */
import { assertEquals } from "@std/assert";
import { output } from "../../tools/lib/command.ts";
import { Docker } from "../support/docker.ts";
import { leaks, snapshot } from "../support/leaks.ts";
import {
  addressOn,
  fetchIn,
  idle,
  linksWithout,
  PAGE,
  serve,
  untilAddresses,
} from "./engine_network.ts";

const PORT = 18090;

/** Runs a program where the daemon's networks and published ports are. */
async function besideDaemon(docker: Docker, ...argv: string[]): Promise<string> {
  const pid = (await Deno.readTextFile(`${docker.directory}/pid`)).trim();
  return (await output(["nsenter", `--net=/proc/${pid}/ns/net`, "--", ...argv])).trim();
}

async function gatewayOf(docker: Docker, network: string): Promise<string> {
  const format = "{{range .IPAM.Config}}{{.Gateway}}{{end}}";
  return await docker.output("network", "inspect", "--format", format, network);
}

Deno.test("docker's networks reach into the VM", async (test) => {
  const before = await snapshot();
  {
    await using docker = await Docker.start();
    for (const name of ["one", "two"]) await docker.output("network", "create", name);
    await serve(docker, "web", "--network", "one", "--network-alias", "www", "-p", `${PORT}:80`);
    await idle(docker, "client", "--network", "one");

    await test.step("names and aliases lead to the container that has them", async () => {
      for (const host of ["web", "www", "web.one"]) {
        assertEquals(await fetchIn(docker, "client", host), PAGE);
      }
    });

    await test.step("a published port leads into the guest", async () => {
      for (const host of ["127.0.0.1", await gatewayOf(docker, "one")]) {
        const fetched = await besideDaemon(
          ...[docker, "busybox", "wget", "-qO-", `http://${host}:${PORT}/x`] as const,
        );
        assertEquals(fetched, PAGE);
      }
    });

    await test.step("--network none leaves the loopback interface alone", async () => {
      assertEquals(await linksWithout(docker), []);
    });

    await test.step("network connect gives a running container an interface, and names there", async () => {
      await serve(docker, "far", "--network", "two");
      await docker.output("network", "connect", "two", "client");
      const address = await addressOn(docker, "two", "client");
      await untilAddresses(docker, "client", (text) => text.includes(`${address}/`));
      assertEquals(await fetchIn(docker, "client", "far"), PAGE);
    });

    await test.step("network disconnect takes the interface, and leaves the others", async () => {
      const address = await addressOn(docker, "two", "client");
      await docker.output("network", "disconnect", "two", "client");
      await untilAddresses(docker, "client", (text) => !text.includes(`${address}/`));
      assertEquals(await fetchIn(docker, "client", "web"), PAGE);
    });

    await test.step("a container of the default bridge learns names once it is connected to a network", async () => {
      await idle(docker, "plain");
      await docker.output("network", "connect", "one", "plain");
      assertEquals(await fetchIn(docker, "plain", "web"), PAGE);
    });

    await test.step("its first network can be taken away, and given back", async () => {
      await docker.output("network", "disconnect", "one", "client");
      await untilAddresses(docker, "client", (text) => !/ eth\d .*inet /.test(text));
      await docker.output("network", "connect", "one", "client");
      assertEquals(await fetchIn(docker, "client", "web"), PAGE);
    });
  }
  assertEquals(await leaks(before), []);
});
