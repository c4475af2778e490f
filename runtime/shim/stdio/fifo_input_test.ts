import { assertEquals } from "@std/assert";
import { O, open } from "../../../common/linux/fd.ts";
import { FdStream } from "../../../common/linux/fd_stream.ts";
import { FifoInput } from "./fifo_input.ts";

const openStream = (path: string, flags: number): FdStream =>
  new FdStream(open(path, flags | O.CLOEXEC));

/** A client that holds the FIFO open; both ends at once, so that it needs nobody else. */
const client = (path: string): FdStream => openStream(path, O.RDWR | O.NONBLOCK);

async function withFifo(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/stdin`;
    await new Deno.Command("mkfifo", { args: [path] }).output();
    await body(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** All that the process gets to read. */
async function readAll(input: FifoInput): Promise<string> {
  const into = new Uint8Array(100);
  let text = "";
  for (let count; (count = await input.read(into)) !== null;) {
    text += new TextDecoder().decode(into.subarray(0, count));
  }
  return text;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

Deno.test("a client that waits for outputs, and was gone before we came, has ended stdin", () =>
  withFifo(async (path) => {
    client(path).close();
    using input = new FifoInput(path, openStream, true);
    input.begin();
    assertEquals(await readAll(input), "");
  }));

Deno.test("a client that left before the start has ended stdin after its bytes", () =>
  withFifo(async (path) => {
    for (const attended of [true, false]) {
      using input = new FifoInput(path, openStream, attended);
      const writer = client(path);
      await writer.write(bytes("hello"));
      writer.close();
      input.begin();
      assertEquals(await readAll(input), "hello");
    }
  }));

Deno.test("a client that leaves after the start may come back, until CloseIO", () =>
  withFifo(async (path) => {
    using input = new FifoInput(path, openStream, true);
    const first = client(path);
    input.begin();
    const text = readAll(input);
    await first.write(bytes("one "));
    first.close();
    const second = client(path);
    await second.write(bytes("two"));
    second.close();
    input.end();
    assertEquals(await text, "one two");
  }));

Deno.test("where nobody waits for outputs a client may come after the start", () =>
  withFifo(async (path) => {
    using input = new FifoInput(path, openStream, false);
    input.begin();
    const text = readAll(input);
    const late = client(path);
    await late.write(bytes("late"));
    late.close();
    input.end();
    assertEquals(await text, "late");
  }));

Deno.test("CloseIO before the start ends stdin", () =>
  withFifo(async (path) => {
    using input = new FifoInput(path, openStream, true);
    input.end();
    input.begin();
    assertEquals(await readAll(input), "");
  }));
