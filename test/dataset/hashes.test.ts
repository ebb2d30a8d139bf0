/** The bytes of a dataset are a function of text, vocabulary and options: here are their hashes, for any machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { batches } from '../../src/dataset/batches.ts';
import { buildDataset } from '../../src/dataset/build.ts';
import type { Manifest } from '../../src/dataset/manifest.ts';
import { verifyDataset } from '../../src/dataset/verify.ts';
import { main } from '../cli/run.ts';
import { CASES, LARGE, NOVEL, VOCAB, writeLarge, writeRecords } from './corpora.ts';

const expected = JSON.parse(await readFile('test/fixtures/dataset/hashes.json', 'utf8')) as Record<string, object>;
let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-hashes-'));
  await Promise.all([writeRecords(join(dir, 'records.jsonl')), writeLarge(join(dir, 'large.jsonl'), 20)]);
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

const hashes = (manifest: Manifest) =>
  Object.fromEntries(manifest.splits.flatMap(({ shards }) => shards).map(({ file, sha256 }) => [file, sha256]));

for (const [name, { records, ...options }] of Object.entries(CASES)) {
  for (const threads of [1, 2]) {
    test(`${name}, threads: ${threads}`, async (t) => {
      const out = join(dir, `${name} ${threads}`);
      const files = [records ? join(dir, 'records.jsonl') : NOVEL];
      const manifest = await buildDataset({ ...options, files, vocab: VOCAB, out, threads });
      t.deepEqual(hashes(manifest), expected[name]);
      await verifyDataset({ dir: out });
      t.deepEqual(
        await readdir(out).then((names) => names.sort()),
        [...Object.keys(hashes(manifest)), 'manifest.json'].sort(),
      );
      let rows = 0;
      for await (const batch of batches({ dir: out, batchSize: 100 })) rows += batch.rows;
      t.is(rows, manifest.splits[0]!.rows);
    });
  }
}

const { seqLen, seed, partitionBytes } = LARGE;
const HOW = ['--seq-len', seqLen, '--seed', seed, '--partition-bytes', partitionBytes, '--vocab', VOCAB].map(String);

for (const threads of ['1', '2']) {
  test.serial(`killed and gone on with, threads: ${threads}`, async (t) => {
    const out = join(dir, `large ${threads}`);
    const args = [main, 'dataset', 'build', join(dir, 'large.jsonl'), '--out', out, '--threads', threads, ...HOW];
    const work = (file: string) => join(out, '.build', file);
    // The first time with a partition done; the second as if it had died while its shards were being moved.
    for (const done of ['part-000000.json', 'part-000001.json']) {
      const child = spawn(process.execPath, args, { stdio: 'ignore' });
      await until(() => existsSync(work(done)), child);
      child.kill('SIGKILL');
      await once(child, 'exit');
      t.false(existsSync(join(out, 'manifest.json')));
      // The other thread may have been faster with the second partition.
      await rm(work('part-000000-train.arrow'), { force: true });
    }
    const last = spawn(process.execPath, [...args, '--json'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const chunks: Buffer[] = [];
    last.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    t.deepEqual(await once(last, 'close'), [0, null]);
    const manifest = await verifyDataset({ dir: out });
    t.true(manifest.splits[0]!.shards.length > 3);
    t.deepEqual(hashes(manifest), expected.large);
    t.false(existsSync(join(out, '.build')));
  });
}

async function until(done: () => boolean, child: ChildProcess): Promise<void> {
  while (!done()) {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} before it could be killed`);
    await sleep(1);
  }
}
