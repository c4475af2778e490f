import { assertEquals, assertMatch } from "@std/assert";
import { NO_REFERENCE, referencePath } from "../../common/protocol/testing/reference.ts";
import { OpenApi } from "./openapi.ts";

const SMALL = `
openapi: 3.0.1
paths:
  /vm/{id}:
    put:
      requestBody:
        content:
          application/json:
            schema:
              $ref: "#/components/schemas/Vm"
components:
  schemas:
    Vm:
      type: object
      required: [size]
      properties:
        size: {type: integer, format: int64}
`;

Deno.test("OpenApi refuses unknown, wrong and missing fields, paths and methods", () => {
  const api = new OpenApi(SMALL);
  assertEquals(api.check("PUT", "/vm/a", { size: 1 }), undefined);
  assertMatch(api.check("PUT", "/vm/a", { size: 1, colour: 2 })?.text ?? "", /additional/);
  assertMatch(api.check("PUT", "/vm/a", { size: "1" })?.text ?? "", /integer/);
  assertMatch(api.check("PUT", "/vm/a", {})?.text ?? "", /required/);
  assertEquals(api.check("PUT", "/vm/a", undefined)?.status, 400);
  assertEquals(api.check("GET", "/vm/a", undefined)?.status, 404);
  assertEquals(api.check("PUT", "/vm/a/b", {})?.status, 404);
});

for (const name of ["cloud-hypervisor-openapi.yaml", "firecracker-openapi.yaml"]) {
  const ignore = !existsReference(`specs/${name}`);
  const why = ignore ? ` (${NO_REFERENCE})` : "";
  Deno.test({
    name: `OpenApi reads ${name}${why}`,
    ignore,
    async fn() {
      const api = await OpenApi.read(name);
      assertEquals(api.check("PUT", "/vm.create", {}) === undefined, false);
      assertEquals(api.check("PATCH", "/vm", { state: "Flying" })?.status !== undefined, true);
    },
  });
}

function existsReference(name: string): boolean {
  try {
    return Deno.statSync(referencePath(name)).isFile;
  } catch {
    return false;
  }
}
