/**
 * One edge-triggered epoll loop for the whole program.
 *
 * epoll_wait(2) runs on one pool thread, and only while somebody waits: an idle registration neither costs a thread
 * nor keeps the program alive. An edge without a waiter is dropped, which is right because waiting always follows a
 * call that just said EAGAIN: whatever makes the descriptor ready after that call is a new edge, and is delivered
 * after the wait began since both happen on this thread.
 */
import { O } from "./fd.ts";
import { errno, libcFunction, libcFunctionOnThread } from "./libc.ts";
import { Errno } from "./errno.ts";
import { check, SyscallError } from "./syscall_error.ts";

const sys = {
  epollCreate: libcFunction("epoll_create1", ["i32"]),
  epollControl: libcFunction("epoll_ctl", ["i32", "i32", "i32", "buffer"]),
  epollWait: libcFunctionOnThread("epoll_wait", ["i32", "buffer", "i32", "i32"]),
  epollWaitHere: libcFunction("epoll_wait", ["i32", "buffer", "i32", "i32"]),
  eventfd: libcFunction("eventfd", ["u32", "i32"]),
  eventfdWrite: libcFunction("eventfd_write", ["i32", "u64"]),
};

const EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2;
const EPOLLIN = 1, EPOLLPRI = 2, EPOLLOUT = 4, EPOLLERR = 8, EPOLLHUP = 16, EPOLLRDHUP = 0x2000;
const EPOLLET = 2 ** 31;
const READABLE = EPOLLIN | EPOLLPRI | EPOLLERR | EPOLLHUP | EPOLLRDHUP;
const WRITABLE = EPOLLOUT | EPOLLERR | EPOLLHUP;

/** struct epoll_event is packed on x86-64 alone. Source: linux/eventpoll.h. */
const DATA_OFFSET = Deno.build.arch === "x86_64" ? 4 : 8;
const EVENT_BYTES = DATA_OFFSET + 8;
const MAX_EVENTS = 256;
const MAX_FAILURES = 100;

/**
 * While bytes flow the next event is near, and a trip to the pool thread and back costs far more than the wait: 50 us,
 * in an emulated guest over 500 us. So the loop waits right here, this long at most.
 */
const NEAR_MS = 1;
/** How many waits after a transfer are taken to be near. */
const NEAR_WAITS = 2;
/** So long may pass until everything else in the program gets its turn. */
const TURN_MS = 10;

type Wake = (ready: boolean) => void;

/** A descriptor under watch; the number itself stays the caller's to close, after {@linkcode Watch.stop}. */
export class Watch {
  readonly #readers = new Set<Wake>();
  readonly #writers = new Set<Wake>();
  #stopped = false;

  /** @param pollable False for what is always ready: regular files and some devices refuse epoll with EPERM. */
  constructor(readonly fd: number, readonly id: number, readonly pollable: boolean) {}

  /** Resolves true at the next sign that a read may not say EAGAIN, or false once stopped or aborted. */
  readable(signal?: AbortSignal): Promise<boolean> {
    return this.#wait(this.#readers, signal);
  }

  /** Resolves true at the next sign that a write may not say EAGAIN, or false once stopped or aborted. */
  writable(signal?: AbortSignal): Promise<boolean> {
    return this.#wait(this.#writers, signal);
  }

  /** Ends the watch and wakes its waiters with false. Must come before the descriptor is closed. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    loop.remove(this);
    wakeAll(this.#readers, false);
    wakeAll(this.#writers, false);
  }

  /** Called by the loop. */
  dispatch(events: number): void {
    if (events & READABLE) wakeAll(this.#readers, true);
    if (events & WRITABLE) wakeAll(this.#writers, true);
  }

  #wait(waiters: Set<Wake>, signal?: AbortSignal): Promise<boolean> {
    if (this.#stopped || signal?.aborted) return Promise.resolve(false);
    if (!this.pollable) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const abort = () => waiters.has(wake) && settle(false);
    const settle = (ready: boolean) => {
      waiters.delete(wake);
      signal?.removeEventListener("abort", abort);
      loop.waiters--;
      resolve(ready);
      if (!ready) loop.wakeIfIdle();
    };
    const wake: Wake = settle;
    waiters.add(wake);
    signal?.addEventListener("abort", abort);
    loop.waiters++;
    loop.run();
    return promise;
  }
}

function wakeAll(waiters: Set<Wake>, ready: boolean): void {
  for (const wake of [...waiters]) wake(ready);
}

/**
 * Starts watching a descriptor, which should be nonblocking.
 * @throws {SyscallError} With the errno of epoll_ctl(2); EEXIST when this descriptor is already watched.
 */
export function watch(fd: number): Watch {
  return loop.add(fd);
}

/** Says that bytes flow. */
export function expectMore(): void {
  loop.nearWaits = NEAR_WAITS;
}

/** Keeps the program alive until disposed, as a pending read does; for waits whose event comes by other ways. */
export function keepAlive(): Disposable {
  loop.waiters++;
  loop.run();
  let held = true;
  return {
    [Symbol.dispose]: () => {
      if (!held) return;
      held = false;
      loop.waiters--;
      loop.wakeIfIdle();
    },
  };
}

/**
 * Resolves once no call of epoll_wait is under way, which is soon after the last waiter left. For tests that end
 * with an abort or a close, before Deno looks for operations left over.
 */
export function pollIdle(): Promise<void> {
  return loop.idle();
}

class Loop {
  /** How many promises wait for an event; the loop runs only above zero. */
  waiters = 0;
  /** How many more waits are likely to be short. */
  nearWaits = 0;
  readonly #watches = new Map<number, Watch>();
  readonly #events = new Uint8Array(MAX_EVENTS * EVENT_BYTES);
  readonly #view = new DataView(this.#events.buffer);
  #epoll = -1;
  #wakeup = -1;
  #nextId = 1;
  #polling = false;
  #turnMs = 0;
  #wakeupSent = false;
  #failures = 0;
  #rested: PromiseWithResolvers<void> | undefined;

  add(fd: number): Watch {
    this.#open();
    // Identities are never used twice, so an event of a closed descriptor cannot reach a new one of the same number.
    const id = this.#nextId++;
    if (!this.#control(fd, id)) return new Watch(fd, id, false);
    const watch = new Watch(fd, id, true);
    this.#watches.set(id, watch);
    return watch;
  }

  remove(watch: Watch): void {
    if (!this.#watches.delete(watch.id)) return;
    check(
      sys.epollControl(this.#epoll, EPOLL_CTL_DEL, watch.fd, null),
      "epoll_ctl DEL",
      `fd ${watch.fd}`,
    );
  }

  idle(): Promise<void> {
    if (!this.#polling) return Promise.resolve();
    return (this.#rested ??= Promise.withResolvers<void>()).promise;
  }

  /** Starts epoll_wait unless it runs already or nobody waits. */
  run(): void {
    if (this.#polling || this.waiters === 0) return;
    this.#open();
    this.#polling = true;
    // In a microtask of its own, behind those of other streams that are ready to go on.
    if (this.nearWaits > 0) queueMicrotask(() => this.#pollHere());
    else this.#pollOnThread();
  }

  #pollHere(): void {
    this.nearWaits--;
    if (performance.now() - this.#turnMs > TURN_MS) return this.#pollOnThread();
    const count = sys.epollWaitHere(this.#epoll, this.#events, MAX_EVENTS, NEAR_MS);
    if (count > 0) this.#settle(count);
    else this.#pollOnThread();
  }

  #pollOnThread(): void {
    // The kernel writes to #events from another thread, and this side reads it only after that call has ended.
    sys.epollWait(this.#epoll, this.#events, MAX_EVENTS, -1).then((count) => {
      this.#turnMs = performance.now();
      this.#refuseToSpin(count);
      this.#settle(count);
    });
  }

  #settle(count: number): void {
    this.#polling = false;
    this.#dispatch(count);
    this.run();
    if (!this.#polling) this.#tellRest();
  }

  #tellRest(): void {
    this.#rested?.resolve();
    this.#rested = undefined;
  }

  /** Ends epoll_wait when the last waiter left without an event, so that the program can end. */
  wakeIfIdle(): void {
    if (!this.#polling || this.waiters > 0 || this.#wakeupSent) return;
    this.#wakeupSent = true;
    check(sys.eventfdWrite(this.#wakeup, 1n), "eventfd_write", "");
  }

  /** -1 should mean EINTR (errno stayed on the other thread), but would come for ever if epoll's fd were closed. */
  #refuseToSpin(count: number): void {
    this.#failures = count < 0 ? this.#failures + 1 : 0;
    if (this.#failures > MAX_FAILURES) {
      throw new Error("epoll_wait keeps failing: was its descriptor closed?");
    }
  }

  #dispatch(count: number): void {
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_BYTES;
      const id = Number(this.#view.getBigUint64(at + DATA_OFFSET, true));
      // The eventfd's id is 0; being edge-triggered it is never read, and its count cannot overflow in practice.
      if (id === 0) this.#wakeupSent = false;
      else this.#watches.get(id)?.dispatch(this.#view.getUint32(at, true));
    }
  }

  /** @returns False when the kernel says that this kind of file is always ready. */
  #control(fd: number, id: number): boolean {
    const event = new Uint8Array(EVENT_BYTES);
    const view = new DataView(event.buffer);
    view.setUint32(0, EPOLLIN + EPOLLPRI + EPOLLOUT + EPOLLRDHUP + EPOLLET, true);
    view.setBigUint64(DATA_OFFSET, BigInt(id), true);
    if (sys.epollControl(this.#epoll, EPOLL_CTL_ADD, fd, event) === 0) return true;
    const number = errno();
    if (number === Errno.EPERM) return false;
    throw new SyscallError("epoll_ctl ADD", `fd ${fd}`, number);
  }

  #open(): void {
    if (this.#epoll !== -1) return;
    this.#epoll = check(sys.epollCreate(O.CLOEXEC), "epoll_create1", "");
    this.#wakeup = check(sys.eventfd(0, O.CLOEXEC | O.NONBLOCK), "eventfd", "");
    this.#control(this.#wakeup, 0);
  }
}

const loop = new Loop();
