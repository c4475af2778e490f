/** Terminals and streams through the engine's streaming server. */
import { assertEquals, assertMatch } from "@std/assert";
import { CHANNEL, ChannelSocket } from "../support/cri/stream.ts";
import type { Case } from "./suite.ts";

const { stdin, stdout, stderr } = CHANNEL;

export const STREAMS: readonly Case[] = [
  ["gives an exec's two outputs and its status", async (node, pod) => {
    const containerId = await node.run(pod);
    const cmd = ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"];
    const { url } = await node.runtime.exec({ containerId, cmd, stdout: true, stderr: true });
    await using stream = await ChannelSocket.open(url);
    assertMatch(await stream.ended(), /"ExitCode"[^}]*"3"/);
    assertEquals([stream.text(stdout), stream.text(stderr)], ["out\n", "err\n"]);
    await node.remove(containerId);
  }],
  ["gives an exec a terminal with its size, and passes ctrl-C on", async (node, pod) => {
    const containerId = await node.run(pod);
    const cmd = ["/bin/sh"];
    const { url } = await node.runtime.exec({
      containerId,
      cmd,
      tty: true,
      stdin: true,
      stdout: true,
    });
    await using stream = await ChannelSocket.open(url);
    stream.resize(123, 45);
    stream.send(stdin, "until [ \"$(stty size)\" = '45 123' ]; do :; done; echo size-$((1+1))\n");
    await stream.waitFor(stdout, /^size-2\r$/m);
    stream.send(stdin, "(echo up-$((1+1)); exec sleep 1000)\n");
    await stream.waitFor(stdout, /^up-2\r$/m);
    stream.send(stdin, "\x03");
    stream.send(stdin, "echo status-$?; exit\n");
    await stream.waitFor(stdout, /^status-130\r$/m);
    assertMatch(await stream.ended(), /Success/);
    await node.remove(containerId);
  }],
  ["passes stdin to an exec without a terminal", async (node, pod) => {
    const containerId = await node.run(pod);
    const cmd = ["head", "-n", "1"];
    const { url } = await node.runtime.exec({ containerId, cmd, stdin: true, stdout: true });
    await using stream = await ChannelSocket.open(url);
    stream.send(stdin, "to the guest\n");
    assertMatch(await stream.ended(), /Success/);
    assertEquals(stream.text(stdout), "to the guest\n");
    await node.remove(containerId);
  }],
  ["attaches to a container, again and again", async (node, pod) => {
    const command = ["/bin/sh", "-c", "while read line; do echo got $line; echo err >&2; done"];
    const containerId = await node.run(pod, { command, stdin: true });
    const { url } = await node.runtime.attach({
      containerId,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    {
      await using stream = await ChannelSocket.open(url);
      stream.send(stdin, "one\n");
      await stream.waitFor(stdout, /^got one$/m);
      await stream.waitFor(stderr, /^err$/m);
    }
    const again = await node.runtime.attach({
      containerId,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    await using stream = await ChannelSocket.open(again.url);
    stream.send(stdin, "two\n");
    await stream.waitFor(stdout, /^got two$/m);
    assertMatch(await node.log(containerId), /got one\n[^]*got two\n/);
    await node.remove(containerId);
  }],
  ["attaches to a container's terminal", async (node, pod) => {
    const command = ["/bin/sh"];
    const containerId = await node.run(pod, { command, stdin: true, tty: true });
    const { url } = await node.runtime.attach({
      containerId,
      stdin: true,
      stdout: true,
      tty: true,
    });
    await using stream = await ChannelSocket.open(url);
    stream.send(stdin, "echo sum-$((20+22))\n");
    await stream.waitFor(stdout, /^sum-42\r$/m);
    await node.remove(containerId);
  }],
];
