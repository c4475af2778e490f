import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Draft, TemplateStore } from "./template_store.ts";

const KEY = "0123456789abcdef01234567", OTHER = "f123456789abcdef01234567";

class Folder implements AsyncDisposable {
  private constructor(readonly store: TemplateStore) {}

  /** In /dev/shm, a tmpfs of every distribution: a store elsewhere would mount one. */
  static async make(): Promise<Folder> {
    return new Folder(new TemplateStore(await Deno.makeTempDir({ dir: "/dev/shm" })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.store.path, { recursive: true });
  }
}

async function fill({ memory, state }: Draft): Promise<void> {
  await Deno.writeFile(memory, new Uint8Array(64 * 1024).fill(7));
  await Deno.writeTextFile(state, "the devices");
}

async function make(store: TemplateStore, key: string): Promise<void> {
  const draft = await store.begin(key);
  await fill(draft);
  await store.publish(draft, "a test");
}

/** Why the template cannot be used. */
async function why(store: TemplateStore, key = KEY): Promise<string> {
  const opened = await store.open(key);
  assert(typeof opened === "string", "the template could be opened");
  return opened;
}

Deno.test("TemplateStore opens what was published, and nothing before", async () => {
  await using folder = await Folder.make();
  const { store } = folder;
  assertEquals(await why(store), "no template was built");
  const draft = await store.begin(KEY);
  await fill(draft);
  assertEquals(await why(store), "no template was built");
  await store.publish(draft, "a test");
  const template = await store.open(KEY);
  assert(typeof template !== "string");
  assertEquals(await Deno.readTextFile(template.state), "the devices");
  assertEquals(template.manifest.about, "a test");
});

const DAMAGES: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  "memory cut off": (folder) => Deno.truncate(`${folder}/memory`, 4096),
  "memory gone": (folder) => Deno.remove(`${folder}/memory`),
  "memory with holes": async (folder) => {
    await Deno.truncate(`${folder}/memory`, 0);
    await Deno.truncate(`${folder}/memory`, 64 * 1024);
  },
  "state cut off": (folder) => Deno.truncate(`${folder}/state`, 3),
  "state changed": (folder) => Deno.writeTextFile(`${folder}/state`, "the_devices"),
  "state gone": (folder) => Deno.remove(`${folder}/state`),
  "description cut off": (folder) => Deno.truncate(`${folder}/template.json`, 10),
  "description gone": (folder) => Deno.remove(`${folder}/template.json`),
  "description of another kind": (folder) => Deno.writeTextFile(`${folder}/template.json`, "[1]"),
};

for (const [name, damage] of Object.entries(DAMAGES)) {
  Deno.test(`TemplateStore refuses and removes a template with ${name}`, async () => {
    await using folder = await Folder.make();
    const { store } = folder;
    await make(store, KEY);
    await damage(`${store.path}/${KEY}`);
    assertStringIncludes(await why(store), "damaged");
    assertEquals(await why(store), "no template was built");
    assertEquals(await store.list(), []);
  });
}

Deno.test("TemplateStore keeps the two templates that were used last", async () => {
  await using folder = await Folder.make();
  const { store } = folder;
  const third = KEY.replace("0", "a");
  for (const key of [KEY, OTHER]) {
    await make(store, key);
    await Deno.utime(`${store.path}/${key}/template.json`, 1000, 1000);
  }
  await store.open(KEY);
  await make(store, third);
  assertEquals((await store.list()).map(({ key }) => key).sort(), [KEY, third].sort());
});

Deno.test("TemplateStore.begin removes what a builder that died has left", async () => {
  await using folder = await Folder.make();
  const { store } = folder;
  await fill(await store.begin(OTHER));
  await store.begin(KEY);
  assertEquals([...Deno.readDirSync(store.path)].map(({ name }) => name), [`new-${KEY}`]);
});

Deno.test("TemplateStore lets one process build at a time", async () => {
  await using folder = await Folder.make();
  const { store } = folder;
  using lock = store.lock();
  assert(lock);
  assertEquals(store.lock(), undefined);
});

Deno.test("TemplateStore remembers a failed build until a later one succeeds", async () => {
  await using folder = await Folder.make();
  const { store } = folder;
  assertEquals(await store.recentFailure(KEY), undefined);
  await store.noteFailure(KEY, "no space");
  assertEquals(await store.recentFailure(KEY), "no space");
  await Deno.utime(`${store.path}/failed-${KEY}`, 1000, 1000);
  assertEquals(await store.recentFailure(KEY), undefined);
  await store.noteFailure(KEY, "no space");
  await make(store, KEY);
  assertEquals(await store.recentFailure(KEY), undefined);
  assertEquals(await store.clear(), [KEY]);
  assertEquals(await store.list(), []);
});
