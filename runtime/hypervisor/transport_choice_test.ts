import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeError } from "../../common/base/errors.ts";
import { chooseTransport, type TransportFacts } from "./transport_choice.ts";

const ALL: TransportFacts = {
  supported: ["vsock", "serial", "hybrid-vsock"],
  vhostVsock: true,
  vhostDeviceVsock: "/usr/bin/vhost-device-vsock",
};

Deno.test("chooseTransport takes the best that the host offers", () => {
  assertEquals(chooseTransport("auto", ALL), "vsock");
  assertEquals(chooseTransport("auto", { ...ALL, vhostVsock: false }), "serial");
  assertEquals(chooseTransport("auto", { ...ALL, supported: ["hybrid-vsock"] }), "hybrid-vsock");
  assertEquals(chooseTransport("hybrid-vsock", ALL), "hybrid-vsock");
});

Deno.test("chooseTransport names the key when what is forced cannot be had", () => {
  const bare = { ...ALL, vhostVsock: false, vhostDeviceVsock: undefined };
  assertThrows(
    () => chooseTransport("vsock", bare),
    RuntimeError,
    'transport = "vsock": /dev/vhost-vsock',
  );
  assertThrows(() => chooseTransport("hybrid-vsock", bare), RuntimeError, "vhost_device_vsock");
  assertThrows(
    () => chooseTransport("serial", { ...ALL, supported: ["vsock"] }),
    RuntimeError,
    "not support",
  );
});
