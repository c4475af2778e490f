/** Podman's own networking: networks with names, published ports, none at all, and networks that come and go. */
import { assertEquals } from "@std/assert";
import { leaks, snapshot } from "../support/leaks.ts";
import { Podman } from "../support/podman.ts";
import {
  addressOn,
  fetchIn,
  idle,
  linksWithout,
  PAGE,
  serve,
  untilAddresses,
} from "./engine_network.ts";

const PORT = 18091;

Deno.test("podman's networks reach into the VM", async (test) => {
  const before = await snapshot();
  {
    await using podman = await Podman.start();
    for (const name of ["one", "two"]) await podman.output("network", "create", name);
    await serve(podman, "web", "--network", "one", "--network-alias", "www", "-p", `${PORT}:80`);
    await idle(podman, "client", "--network", "one");

    await test.step("names and aliases lead to the container that has them", async () => {
      for (const host of ["web", "www"]) {
        assertEquals(await fetchIn(podman, "client", host), PAGE);
      }
    });

    await test.step("a published port leads into the guest", async () => {
      const response = await fetch(`http://127.0.0.1:${PORT}/x`);
      assertEquals((await response.text()).trim(), PAGE);
    });

    await test.step("--network none leaves the loopback interface alone", async () => {
      assertEquals(await linksWithout(podman), []);
    });

    await test.step("network connect gives a running container an interface, which reaches others there", async () => {
      await serve(podman, "far", "--network", "two");
      await podman.output("network", "connect", "two", "client");
      const address = await addressOn(podman, "two", "client");
      await untilAddresses(podman, "client", (text) => text.includes(`${address}/`));
      const far = await addressOn(podman, "two", "far");
      assertEquals(await fetchIn(podman, "client", far), PAGE);
    });

    await test.step("network disconnect takes the interface, and leaves the others", async () => {
      const address = await addressOn(podman, "two", "client");
      await podman.output("network", "disconnect", "two", "client");
      await untilAddresses(podman, "client", (text) => !text.includes(`${address}/`));
      assertEquals(await fetchIn(podman, "client", "web"), PAGE);
    });
  }
  assertEquals(await leaks(before), []);
});
