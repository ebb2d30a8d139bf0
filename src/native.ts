/** The only import of the native module. Its errors leave as MillraceError; its long work can be watched and cancelled. */
import { createRequire } from 'node:module';
import { type ErrorCode, MillraceError } from './errors.ts';
import type { Progress, Watch } from './progress.ts';

export type Native = typeof import('#native');
type Task = InstanceType<Native['Task']>;

let loaded: Native | undefined;

/** Loads the native module at first use. Throws `environment` with the remedy where it can't be loaded. */
export function native(): Native {
  if (loaded) return loaded;
  try {
    loaded = createRequire(import.meta.url)('#native') as Native;
    return loaded;
  } catch (cause) {
    throw new MillraceError(
      'environment',
      `the native module can't be loaded: ${(cause as Error).message.split('\n')[0]}`,
      {
        hint: 'build it with `npm run build:native` (needs a Rust toolchain, https://rustup.rs)',
        cause,
      },
    );
  }
}

/** Turns what the native module throws into a MillraceError; anything else passes through. */
export function fromNative(error: unknown): unknown {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  if (!(error instanceof Error) || error instanceof MillraceError || !CODES.has(code as ErrorCode)) return error;
  const [text, hint] = (message ?? '').split('\u001f');
  return new MillraceError(
    code as ErrorCode,
    text ?? '',
    hint === undefined ? { cause: error } : { hint, cause: error },
  );
}

const CODES = new Set<ErrorCode>(['config', 'input', 'corrupt', 'environment', 'cancelled', 'io', 'internal']);

/** Calls a synchronous native function. */
export function callNative<T>(call: (native: Native) => T): T {
  try {
    return call(native());
  } catch (error) {
    throw fromNative(error);
  }
}

/** Runs native work off the event loop, reporting its progress ten times a second and cancelling it with the signal. */
export async function runNative<T>(
  work: (native: Native, task: Task) => Promise<T>,
  watch: Watch & { phase: string; unit: Progress['unit'] },
): Promise<T> {
  const module = native();
  const task = new module.Task();
  const cancelled = () => new MillraceError('cancelled', `${watch.phase} was cancelled`);
  if (watch.signal?.aborted) throw cancelled();
  const abort = () => task.cancel();
  watch.signal?.addEventListener('abort', abort, { once: true });
  const report = () => watch.onProgress?.({ phase: watch.phase, done: task.done, total: task.total, unit: watch.unit });
  const timer = watch.onProgress && setInterval(report, 100);
  try {
    const result = await work(module, task);
    report();
    return result;
  } catch (error) {
    throw watch.signal?.aborted ? cancelled() : fromNative(error);
  } finally {
    clearInterval(timer);
    watch.signal?.removeEventListener('abort', abort);
  }
}
