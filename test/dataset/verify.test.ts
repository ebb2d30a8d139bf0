/** What is stored is what was built: any changed byte is found, by `verify` and by the reader before it is used. */
import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { batches } from '../../src/dataset/batches.ts';
import { buildDataset } from '../../src/dataset/build.ts';
import { shardTables } from '../../src/dataset/open.ts';
import { showDataset } from '../../src/dataset/show.ts';
import { verifyDataset } from '../../src/dataset/verify.ts';
import type { MillraceError } from '../../src/errors.ts';
import { millrace } from '../cli/run.ts';
import { CASES, NOVEL, VOCAB, writeRecords } from './corpora.ts';

let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-verify-'));
  await writeRecords(join(dir, 'records.jsonl'));
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

const SHARD = 'train-00000.arrow';
const build = (out: string, options: object = {}) =>
  buildDataset({ files: [NOVEL], vocab: VOCAB, seqLen: 128, split: { train: 1 }, ...options, out: join(dir, out) });

async function changed(work: Promise<unknown>, file: RegExp): Promise<string | undefined> {
  const error = await work.then(
    () => undefined,
    (error: MillraceError) => error,
  );
  if (error === undefined) return 'nothing was found';
  return error.code === 'corrupt' && file.test(error.message) ? undefined : `${error.code}: ${error.message}`;
}

test('a flipped bit anywhere in a shard; a file cut short, longer, gone', async (t) => {
  await build('flips', { parquet: true });
  const path = join(dir, 'flips', SHARD);
  const whole = await readFile(path);
  // The magic word, the schema, the columns, the footer and its length.
  const places = Array.from({ length: 40 }, (_, i) => Math.floor((i / 39) * (whole.length - 1)));
  for (const at of [...places, 8, 40, 200, whole.length - 7, whole.length - 100]) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at % 8);
    await writeFile(path, bytes);
    const found = [
      await changed(verifyDataset({ dir: join(dir, 'flips') }), /train-00000\.arrow/),
      await changed(batches({ dir: join(dir, 'flips'), batchSize: 1 }).next(), /train-00000\.arrow/),
      await changed(shardTables({ dir: join(dir, 'flips') }).next(), /train-00000\.arrow/),
    ];
    t.deepEqual(found, [undefined, undefined, undefined], `byte ${at} of ${whole.length}`);
  }
  for (const bytes of [whole.subarray(0, -1), Buffer.concat([whole, Buffer.from('x')]), Buffer.alloc(0)]) {
    await writeFile(path, bytes);
    // Also where hashes are not compared.
    const reader = batches({ dir: join(dir, 'flips'), batchSize: 1, verify: false }).next();
    t.is(await changed(verifyDataset({ dir: join(dir, 'flips') }), /train-00000\.arrow/), undefined);
    t.is(await changed(reader, /train-00000\.arrow/), undefined, `${bytes.length} bytes`);
  }
  const { code, stderr } = await millrace(['dataset', 'verify', join(dir, 'flips')]);
  t.is(code, 1);
  t.regex(stderr, /train-00000\.arrow/);
  await rm(path);
  t.is((await t.throwsAsync<MillraceError>(verifyDataset({ dir: join(dir, 'flips') })))?.code, 'io');
  await writeFile(path, whole);
  await verifyDataset({ dir: join(dir, 'flips') });

  const parquet = join(dir, 'flips', 'train-00000.parquet');
  await copyFile(parquet, `${parquet}.whole`);
  const bytes = await readFile(parquet);
  bytes[1000]! ^= 4;
  await writeFile(parquet, bytes);
  t.is(await changed(verifyDataset({ dir: join(dir, 'flips') }), /train-00000\.parquet/), undefined);
  await truncate(parquet, 0);
  t.is(await changed(verifyDataset({ dir: join(dir, 'flips') }), /train-00000\.parquet/), undefined);
});

test('a plan that was changed by hand', async (t) => {
  await build('plan');
  const path = join(dir, 'plan', 'manifest.json');
  await writeFile(path, (await readFile(path, 'utf8')).replace('"seed": 0', '"seed": 1'));
  t.is(await changed(verifyDataset({ dir: join(dir, 'plan') }), /manifest\.json: the plan was changed/), undefined);
});

test('a dataset that is built anew replaces the old one and all its files', async (t) => {
  const first = await build('again', { parquet: true, partitionBytes: 1 << 16 });
  const second = await build('again', { seqLen: 64 });
  t.not(first.planSha256, second.planSha256);
  await verifyDataset({ dir: join(dir, 'again') });
  await t.throwsAsync(readFile(join(dir, 'again', 'train-00000.parquet')));
});

const SHOWN: Record<string, RegExp> = {
  'causal best-fit': /row 39: .*<eos> \| /s,
  'mlm dynamic': /row 0: <cls>.*\{[^{}]+ → <mask>[^{}]*\}.*<sep>/s,
  nsp: /% random.*row 0: \((follows|random)\) <cls>.*<sep> ‖ .*<sep>/s,
  sop: /% swapped.*row 0: \((in order|swapped)\) <cls>.*<sep> ‖ .*<sep>/s,
  span: /row 0: .*<extra_id_0>.*<eos> ⇒ <extra_id_0>.*<eos>/s,
  seq2seq: /row 0: .*<eos> ⇒ .*<eos>/s,
  classify: /row 0: \((odd|even)\) <cls>.*<sep> ‖ .*<sep>/s,
  chat: /<\|im_start\|>user\n[^⟦⟧]*<\|im_start\|>assistant\n⟦[^⟦⟧]*<\|im_end\|>\n<eos>⟧/,
};
for (const [name, shown] of Object.entries(SHOWN)) {
  test(`show: ${name}`, async (t) => {
    const { records, ...options } = CASES[name]!;
    const out = join(dir, name);
    const files = [records ? join(dir, 'records.jsonl') : NOVEL];
    await buildDataset({ ...options, files, vocab: VOCAB, out });
    const { text } = await showDataset({ dir: out, vocab: VOCAB, rows: 1200 });
    t.regex(text, shown);
    const numbers = await showDataset({ dir: out, rows: 1, split: 'validation' });
    t.regex(numbers.text, /row 0: .*\d+ \d+/);
  });
}
