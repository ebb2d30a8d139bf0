/** The first signal that would end this process in, an AbortSignal out: who holds it ends what it started and cleans up. */

export interface Stopped extends Error {
  /** As a shell tells it: 128 and the signal's number. */
  exitCode: number;
}

const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** A second signal ends the process at once. */
export function untilSignal(): AbortSignal {
  const stop = new AbortController();
  for (const [name, number] of Object.entries(NUMBERS)) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(128 + number);
      stop.abort(Object.assign(new Error(`stopped by ${name}`), { exitCode: 128 + number }));
    });
  }
  return stop.signal;
}

/** Was it a signal that ended this? */
export const isStopped = (error: unknown): error is Stopped =>
  error instanceof Error && typeof (error as Partial<Stopped>).exitCode === 'number';
