/** A run folder in, the sole right to write to it out. The kernel takes the lock back when its process ends. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';
import { callNative } from '../native.ts';

/** Does the work while no other run may touch the folder. Throws `failed` where another process is at it. */
export async function withLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, '.lock');
  const lock = callNative((native) =>
    native.FileLock.tryAcquire(path, `process ${process.pid} since ${new Date().toISOString()}`),
  );
  if (!lock) {
    const holder = callNative((native) => native.FileLock.note(path));
    throw new MillraceError('failed', `another run works in ${dir} (${holder})`, {
      hint: 'wait for it, stop it, or give this pipeline another name',
    });
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}
