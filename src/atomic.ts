/** Bytes in, a whole file out: written to a temporary name beside it, synced, then renamed, so that no reader sees half of it. */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MillraceError } from './errors.ts';

/** Makes the folder where it is missing. Throws `io` with the path. */
export async function writeWhole(path: string, data: string | Uint8Array): Promise<void> {
  const part = `${path}.${process.pid}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(part, 'w');
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  } catch (cause) {
    await rm(part, { force: true });
    throw new MillraceError('io', `${path} can't be written: ${(cause as Error).message}`, { cause });
  }
}
