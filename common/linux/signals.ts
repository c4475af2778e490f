/** Signal numbers by name, the same on x86-64 and arm64. Source: asm-generic/signal.h. */
export const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;
export type SignalName = keyof typeof SIGNALS;

/** Highest signal number: SIGRTMAX. */
export const MAX_SIGNAL = 64;

/** "SIGTERM" for 15; "SIG40" for a number without a name. */
export function signalName(number: number): string {
  return Object.entries(SIGNALS).find(([, value]) => value === number)?.[0] ?? `SIG${number}`;
}

/**
 * Number of a signal written as "SIGTERM", "TERM" (any case) or "15".
 * @throws {RangeError} No such signal.
 */
export function signalNumber(text: string): number {
  if (/^[1-9][0-9]?$/.test(text) && Number(text) <= MAX_SIGNAL) return Number(text);
  const upper = text.toUpperCase();
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  if (Object.hasOwn(SIGNALS, name)) return SIGNALS[name as SignalName];
  throw new RangeError(`No such signal: ${JSON.stringify(text)}`);
}
