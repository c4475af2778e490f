import { assertEquals, assertMatch } from "@std/assert";
import { serveForward } from "./forward.ts";

/** Two ends of one connection. */
async function pair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const one = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  return [one, await accepted];
}

async function readAll(connection: Deno.TcpConn): Promise<string> {
  return await new Response(connection.readable).text();
}

async function ask(request: string): Promise<string> {
  const [host, guest] = await pair();
  const served = serveForward(guest);
  await host.write(new TextEncoder().encode(request));
  const answer = await readAll(host);
  await served;
  return answer;
}

/** Answers one connection with what it hears, behind a greeting. */
async function echo(listener: Deno.TcpListener): Promise<void> {
  const connection = await listener.accept();
  const buffer = new Uint8Array(64);
  const count = await connection.read(buffer) ?? 0;
  await connection.write(new TextEncoder().encode("heard "));
  await connection.write(buffer.subarray(0, count));
  connection.close();
}

for (const [asked, hostname] of [["4", "127.0.0.1"], ["4", "::1"], ["6", "127.0.0.1"]] as const) {
  Deno.test(`serveForward reaches who listens on ${hostname}, asked for family ${asked}`, async () => {
    using listener = Deno.listen({ hostname, port: 0 });
    const echoed = echo(listener);
    assertEquals(await ask(`TCP ${asked} ${listener.addr.port}\nhello`), "OK\nheard hello");
    await echoed;
  });
}

Deno.test("serveForward says when nobody listens, and refuses what is no request", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assertMatch(await ask(`TCP 4 ${port}\n`), /^NO .*refused/);
  assertMatch(await ask("GET / HTTP/1.0\n"), /^NO not a request/);
});
