import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { buildDataset } from '../../src/dataset/build.ts';
import { buildModel } from '../../src/model/index.ts';
import { tokenBytes } from '../../src/tokenizer/token_bytes.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';
import { datasetSource } from '../../src/train/data.ts';
import { evaluateModel } from '../../src/train/evaluate_run.ts';
import { temporary } from './support.ts';

const text = 'The naïve reader counts 鲸 as three bytes; "whale" is five.\n\n'.repeat(40);

async function made() {
  const dir = await temporary();
  const [file, vocab, dataset] = ['text.txt', 'vocab', 'dataset'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(file, text);
  await trainVocab({ files: [file], kind: 'bpe', vocabSize: 290, out: vocab });
  const task = { kind: 'causal', pack: 'concat' } as const;
  const split = { train: 0, validation: 1 };
  await buildDataset({ files: [file], vocab, task, seqLen: 16, out: dataset, split, seed: 0, format: 'file' });
  return { dir, vocab, dataset };
}

test('every token stands for the bytes that it decodes to, and a special token for none', async (t) => {
  const { vocab } = await made();
  const bytes = await tokenBytes(vocab);
  const tokenizer = await Tokenizer.load(vocab);
  const { ids } = await tokenizer.encodeBatch([text]);
  t.is(
    ids.reduce((sum, id) => sum + bytes![id]!, 0),
    Buffer.byteLength(text),
  );
  t.is(bytes![tokenizer.tokenToId('<|endoftext|>')!], 0);
});

test('bits a byte are the bits of the counted tokens over the bytes of exactly those', async (t) => {
  const { vocab, dataset } = await made();
  const source = await datasetSource({ dir: dataset, batchSize: 4, seed: 0, vocab });
  const tokenizer = await Tokenizer.load(vocab);
  const counted: number[] = [];
  for await (const { feeds } of source.validation!()) {
    counted.push(...[...(feeds.labels as Int32Array)].filter((id) => id >= 0));
  }
  // The tokens that are predicted are the text without the first token of each row: decoded, that is what they weigh.
  const specials = counted.filter((id) => id === tokenizer.tokenToId('<|endoftext|>')).length;
  t.is(specials, 1);
  const model = buildModel({ family: 'gpt', vocab_size: 290, n_positions: 16, n_embd: 8, n_layer: 1, n_head: 1 });
  // Weights at zero: every token costs ln 290 nats.
  const evaluation = { model, load: async () => undefined, dataset, batchSize: 4, isolate: true };
  const { bitsPerByte, items, loss } = await evaluateModel({ ...evaluation, vocab });
  const bytes = (await tokenBytes(vocab))!;
  const weight = counted.reduce((sum, id) => sum + bytes[id]!, 0);
  t.is(items, counted.length);
  t.true(Math.abs(loss - Math.log(290)) < 1e-5);
  t.true(Math.abs(bitsPerByte! - (counted.length * Math.log2(290)) / weight) < 1e-5);
  t.is((await evaluateModel(evaluation)).bitsPerByte, undefined);
});

test('a WordPiece has no bits a byte', async (t) => {
  const dir = await temporary();
  writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify({ model: { type: 'WordPiece', vocab: { a: 0 } } }));
  t.is(await tokenBytes(dir), undefined);
});
