/**
 * The door to libc, shared by every module of this folder.
 *
 * What costs is preparing a symbol: `Deno.dlopen` compiles a stub for each (0.1 ms native, over 1 ms in an emulated
 * guest), while a function pointer takes 10 µs to prepare and 1 µs more a call. So only `read` and `write` get stubs
 * (see fd.ts); every other function becomes a pointer the first time it is called.
 */

const LIBC = "libc.so.6";

/** How an argument travels; sizes and 64-bit offsets are numbers below 2^53 or bigints. */
type Parameter = "i32" | "u32" | "i64" | "u64" | "usize" | "buffer" | "pointer";
type Argument<P> = P extends "buffer" ? Uint8Array | null
  : P extends "pointer" ? Deno.PointerValue
  : number | bigint;
type Arguments<P extends readonly Parameter[]> = { [K in keyof P]: Argument<P[K]> };
type Call<P extends readonly Parameter[], R> = (...values: Arguments<P>) => R;

/** Address of a libc symbol: where a function starts, or where a variable lies. */
export function symbolAddress(name: string): Deno.PointerObject {
  const library = Deno.dlopen(LIBC, { [name]: { type: "pointer", optional: true } });
  const address = library.symbols[name] as Deno.PointerValue | undefined;
  library.close(); // libc itself stays loaded
  if (!address) throw new Error(`${LIBC} has no symbol ${name}`);
  return address;
}

/** A libc function that returns an int. After -1 read {@linkcode errno} before doing anything else. */
export function libcFunction<const P extends readonly Parameter[]>(
  name: string,
  parameters: P,
): Call<P, number> {
  return lazy(() => functionAt<P, number>(name, { parameters: [...parameters], result: "i32" }));
}

/** As {@linkcode libcFunction}, run on a thread of Deno's pool (32 in all); its errno is lost. */
export function libcFunctionOnThread<const P extends readonly Parameter[]>(
  name: string,
  parameters: P,
): Call<P, Promise<number>> {
  return lazy(() =>
    functionAt<P, Promise<number>>(name, {
      parameters: [...parameters],
      result: "i32",
      nonblocking: true,
    })
  );
}

/**
 * As {@linkcode libcFunction}, called through a compiled stub: for hot functions.
 * Its library handle is never closed, so make it at import.
 */
export function hotLibcFunction<const P extends readonly Parameter[]>(
  name: string,
  parameters: P,
): Call<P, number> {
  prepareErrno();
  const { symbols } = Deno.dlopen(LIBC, { [name]: { parameters: [...parameters], result: "i32" } });
  return symbols[name] as unknown as Call<P, number>;
}

function functionAt<P extends readonly Parameter[], R>(
  name: string,
  definition: Deno.ForeignFunction,
): Call<P, R> {
  prepareErrno();
  // The address comes from libc itself and the definitions beside each use follow its headers; their types are erased
  // here because the pointer's class cannot express them generically.
  const pointer = new Deno.UnsafeFnPointer(
    symbolAddress(name) as Deno.PointerObject<typeof definition>,
    definition,
  );
  return pointer.call.bind(pointer) as unknown as Call<P, R>;
}

function lazy<P extends readonly Parameter[], R>(make: () => Call<P, R>): Call<P, R> {
  let made: Call<P, R> | undefined;
  return (...values) => (made ??= make())(...values);
}

let errnoCell: Int32Array | undefined;

/**
 * errno of the last failed call on this thread.
 *
 * Reads the thread's own errno variable as memory, so that no foreign call comes between failure and question.
 */
export function errno(): number {
  return errnoCell?.[0] ?? 0;
}

/** Finds errno's cell; comes before the first call that may fail, because the look-up itself could change errno. */
function prepareErrno(): void {
  if (errnoCell) return;
  const location = new Deno.UnsafeFnPointer(
    symbolAddress("__errno_location") as Deno.PointerObject<typeof ERRNO_LOCATION>,
    ERRNO_LOCATION,
  );
  const address = location.call();
  if (!address) throw new Error("libc gave no address of errno");
  errnoCell = new Int32Array(
    Deno.UnsafePointerView.getArrayBuffer(address, Int32Array.BYTES_PER_ELEMENT),
  );
}

const ERRNO_LOCATION = { parameters: [], result: "pointer" } as const;

const encoder = new TextEncoder();

/** A NUL-terminated copy. @throws {TypeError} The text holds a NUL, which C would take for its end. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError(`${JSON.stringify(text)} holds a NUL character`);
  return encoder.encode(text + "\0");
}
