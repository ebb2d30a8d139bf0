/** A dataset folder in; every shard is read and compared with the hash in the manifest, which comes out. */
import { runNative } from '../native.ts';
import type { Watch } from '../progress.ts';
import type { Manifest } from './manifest.ts';

/** Throws `corrupt` with the file that differs, `input` where there is no dataset. */
export async function verifyDataset(options: { dir: string } & Watch): Promise<Manifest> {
  const manifest = await runNative((native, task) => native.verifyDataset(task, options.dir), {
    ...options,
    phase: 'verify',
    unit: 'bytes',
  });
  return JSON.parse(manifest) as Manifest;
}
