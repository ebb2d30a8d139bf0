/** A dataset folder in, its stored rows out as Arrow tables whose columns point into the bytes of the shard. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Table, tableFromIPC } from 'apache-arrow';
import { MillraceError } from '../errors.ts';
import { readDatasetManifest, type Split } from './manifest.ts';

/** One table a shard, each checked against the manifest. Throws `corrupt` where it differs. */
export async function* shardTables(options: {
  dir: string;
  split?: Split['name'] | undefined;
}): AsyncGenerator<Table, void, void> {
  const manifest = await readDatasetManifest(options.dir);
  const name = options.split ?? 'train';
  const split = manifest.splits.find((candidate) => candidate.name === name);
  if (!split) {
    const names = manifest.splits.map((candidate) => candidate.name).join(', ');
    throw new MillraceError('config', `${options.dir}: no split "${name}"`, { hint: `it has ${names}` });
  }
  for (const shard of split.shards) {
    const path = join(options.dir, shard.file);
    const bytes = await readFile(path).catch((cause: Error) => {
      throw new MillraceError('io', `${path}: ${cause.message}`, { cause });
    });
    if (createHash('sha256').update(bytes).digest('hex') !== shard.sha256) {
      throw new MillraceError('corrupt', `${path}: its SHA-256 is not the manifest's`, {
        hint: 'the file was changed or damaged: build the dataset again',
      });
    }
    yield tableFromIPC(bytes);
  }
}
