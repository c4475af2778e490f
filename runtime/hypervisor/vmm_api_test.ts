import { assertEquals, assertRejects } from "@std/assert";
import { Code, RuntimeError } from "../../common/base/errors.ts";
import { VmmApi } from "./vmm_api.ts";

type Handler = (request: Request) => Response | Promise<Response>;

/** Serves on a Unix socket while `work` runs. */
async function serving(handler: Handler, work: (api: VmmApi) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/api.sock`;
  const server = Deno.serve({ path, onListen: () => {} }, handler);
  try {
    using api = new VmmApi("testvmm", path, "/api/v1");
    await work(api);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
}

async function fails(promise: Promise<unknown>, code: Code, text: string): Promise<void> {
  const error = await assertRejects(() => promise, RuntimeError, text);
  assertEquals(error.code, code);
}

Deno.test("VmmApi sends JSON and reads JSON or nothing", async () => {
  const seen: string[] = [];
  await serving(async (request) => {
    seen.push(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`);
    return request.method === "GET" ? Response.json({ a: 1 }) : new Response(null, { status: 204 });
  }, async (api) => {
    assertEquals(await api.get("/vm.info"), { a: 1 });
    assertEquals(await api.put("/vm.boot"), undefined);
    assertEquals(await api.patch("/vm", { state: "Paused" }), undefined);
  });
  assertEquals(seen, [
    "GET /api/v1/vm.info ",
    "PUT /api/v1/vm.boot ",
    'PATCH /api/v1/vm {"state":"Paused"}',
  ]);
});

Deno.test("VmmApi passes on what a VMM says, without control characters, with a code", async () => {
  const answers: [number, string][] = [
    [400, '{"fault_message":"bad \\u001b[31mdrive"}'],
    [404, "no VM"],
    [500, '["Cannot boot","no kernel"]'],
  ];
  await serving(() => {
    const [status, text] = answers.shift() ?? [200, ""];
    return new Response(text, { status });
  }, async (api) => {
    await fails(api.put("/a"), Code.InvalidArgument, "PUT /a (HTTP 400): bad drive");
    await fails(api.put("/b"), Code.NotFound, "no VM");
    await fails(api.put("/c"), Code.Internal, "Cannot boot: no kernel");
  });
});

Deno.test("VmmApi bounds answers and waits", async () => {
  await serving(async (request) => {
    if (new URL(request.url).pathname.endsWith("/large")) {
      return new Response(new Uint8Array(2 << 20));
    }
    const { promise, resolve } = Promise.withResolvers<Response>();
    request.signal.addEventListener("abort", () => resolve(new Response()));
    return await promise;
  }, async (api) => {
    await fails(api.get("/large"), Code.Unavailable, "over 1048576 bytes");
    await fails(api.get("/slow", { timeoutMs: 30 }), Code.DeadlineExceeded, "within 30 ms");
    const signal = AbortSignal.abort(new Error("enough"));
    await assertRejects(() => api.get("/slow", { signal }), Error, "enough");
  });
});

Deno.test("VmmApi says that a VMM does not answer", async () => {
  using api = new VmmApi("testvmm", "/nonexistent/api.sock", "");
  await fails(api.get("/x"), Code.Unavailable, "testvmm failed at GET /x");
});
