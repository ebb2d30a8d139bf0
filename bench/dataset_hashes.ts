/**
 * The cases of test/dataset in, the SHA-256 of each of their shards out, in test/fixtures/dataset/hashes.json. To be run when
 * a change of the plan's version makes other bytes on purpose: `node --import=tsx bench/dataset_hashes.ts`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuildDatasetOptions, buildDataset } from '../src/dataset/build.ts';
import { CASES, LARGE, NOVEL, VOCAB, writeLarge, writeRecords } from '../test/dataset/corpora.ts';

const dir = await mkdtemp(join(tmpdir(), 'millrace-hashes-'));
const shards = async (name: string, files: string[], options: Omit<BuildDatasetOptions, 'out' | 'vocab' | 'files'>) => {
  const { splits } = await buildDataset({ ...options, files, vocab: VOCAB, out: join(dir, name), threads: 1 });
  return Object.fromEntries(splits.flatMap(({ shards }) => shards).map(({ file, sha256 }) => [file, sha256]));
};
try {
  const [records, large] = [join(dir, 'records.jsonl'), join(dir, 'large.jsonl')];
  await Promise.all([writeRecords(records), writeLarge(large, 20)]);
  const hashes: Record<string, object> = {};
  for (const [name, { records: some, ...options }] of Object.entries(CASES)) {
    hashes[name] = await shards(name, [some ? records : NOVEL], options);
  }
  hashes.large = await shards('large', [large], LARGE);
  await writeFile('test/fixtures/dataset/hashes.json', `${JSON.stringify(hashes, undefined, 2)}\n`);
} finally {
  await rm(dir, { recursive: true, force: true });
}
