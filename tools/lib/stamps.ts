/** Remembers from which inputs each file of a folder was made. */

/** Keys of what a folder holds, kept in a hidden file of that folder. */
export class Stamps {
  readonly #path: string;
  readonly #directory: string;
  readonly #keys: Map<string, string>;

  private constructor(directory: string, keys: Map<string, string>) {
    this.#directory = directory;
    this.#path = `${directory}/.stamps.json`;
    this.#keys = keys;
  }

  /** Reads the stamps of a folder; one that cannot be read counts as empty, so all is made anew. */
  static async read(directory: string): Promise<Stamps> {
    try {
      const text = await Deno.readTextFile(`${directory}/.stamps.json`);
      return new Stamps(directory, new Map(Object.entries<string>(JSON.parse(text))));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) && !(error instanceof SyntaxError)) throw error;
      return new Stamps(directory, new Map());
    }
  }

  /**
   * Whether `name` is there and was made from the inputs that `key` stands for.
   * @param stamp Under which name the key was {@linkcode set}, where a file has several.
   */
  async isCurrent(name: string, key: string, stamp = name): Promise<boolean> {
    if (this.#keys.get(stamp) !== key) return false;
    return await Deno.stat(`${this.#directory}/${name}`).then(() => true, () => false);
  }

  /** Records that `name` is now made from the inputs that `key` stands for. */
  async set(name: string, key: string): Promise<void> {
    this.#keys.set(name, key);
    const text = JSON.stringify(Object.fromEntries(this.#keys), null, 2) + "\n";
    await Deno.writeTextFile(`${this.#path}.partial`, text);
    await Deno.rename(`${this.#path}.partial`, this.#path);
  }
}
