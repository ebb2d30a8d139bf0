/** The contract of `millrace stage`, over plain pipes: what any engine may count on. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Binary,
  makeVector,
  RecordBatch,
  Schema,
  Table,
  tableFromIPC,
  tableToIPC,
  vectorFromArray,
} from 'apache-arrow';
import test from 'ava';
import fc from 'fast-check';
import { buildDataset } from '../../src/dataset/build.ts';
import { planned } from '../../src/engine/plan.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';
import { millrace } from '../cli/run.ts';
import { writeRecords } from './records.ts';
import { runStage, startStage } from './stages.ts';

const DOCUMENTS = 400;
const PARTITION = 6000;
let dir = '';
let file = '';
let bytes = Buffer.alloc(0);
let datasetPlan = '';
let countPlan = '';

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-stage-'));
  file = join(dir, 'corpus.jsonl');
  await writeRecords(file, DOCUMENTS, 11);
  bytes = await readFile(file);
  await trainVocab({ files: [file], kind: 'bpe', vocabSize: 400, out: join(dir, 'vocab') });
  await buildDataset({ ...recipe(), out: join(dir, 'local') });
  [datasetPlan, countPlan] = [join(dir, 'dataset.json'), join(dir, 'count.json')];
  const how = ['--vocab', join(dir, 'vocab'), '--seq-len', '32', '--split', '0.8,0.2', '--seed', '3'];
  const parts = ['--partition-bytes', `${PARTITION}`, '--out', join(dir, 'merged')];
  const [dataset, count] = await Promise.all([
    millrace(['dataset', 'build', file, ...how, ...parts, '--stages', datasetPlan, '--json']),
    millrace(['vocab', 'count', file, '--special', '<|endoftext|>', '--stages', '--out', countPlan, '--json']),
  ]);
  if (dataset.code !== 0 || count.code !== 0) throw new Error(dataset.stdout + count.stdout);
});

test.after.always(() => rm(dir, { recursive: true, force: true }));

const recipe = () => ({
  files: [file],
  vocab: join(dir, 'vocab'),
  seqLen: 32,
  split: { train: 0.8, validation: 0.2 },
  seed: 3,
  partitionBytes: PARTITION,
});

/** An Arrow stream of lines, cut into batches of the given numbers of rows. */
function lines(rows: Buffer[], hash: string, sizes: number[], partition?: number): Buffer {
  const data = vectorFromArray(rows, new Binary());
  const whole = new Table({ source: makeVector(new Int32Array(rows.length)), data });
  const about = JSON.stringify({ plan: hash, form: 'lines', partition });
  const schema = new Schema(whole.schema.fields, new Map([['millrace', about]]));
  const batches: RecordBatch[] = [];
  for (let at = 0, i = 0; at < rows.length; i++) {
    const end = Math.min(rows.length, at + (sizes[i % sizes.length] ?? 1));
    for (const batch of whole.slice(at, end).batches) batches.push(new RecordBatch(schema, batch.data));
    at = end;
  }
  return Buffer.from(tableToIPC(new Table(schema, batches), 'stream'));
}

/** The lines that start in a part, as Hadoop's reader of lines finds them. */
function part({ start, end }: { start: number; end: number }): Buffer[] {
  const rows: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const next = bytes.indexOf(10, at);
    if ((at > start || at === 0) && at <= end && !(at === 0 && start > 0)) rows.push(bytes.subarray(at, next));
    at = next + 1;
  }
  return rows;
}

async function folder(path: string): Promise<Record<string, string>> {
  const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
  const entries = names.map(async (name) => [name, sha256(await readFile(join(path, name)))] as const);
  return Object.fromEntries(await Promise.all(entries));
}

test.serial(
  'however batches are cut and whoever takes which partition, the merged dataset is the local one',
  async (t) => {
    const { text, hash, portions } = planned(await readFile(datasetPlan, 'utf8'));
    t.true(portions.length > 3);
    t.is(hash, sha256(text));
    const local = await folder(join(dir, 'local'));
    const cuts = fc.record({
      sizes: fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 }),
      order: fc.shuffledSubarray(
        portions.map((_, i) => i),
        { minLength: portions.length },
      ),
      apart: fc.boolean(),
    });
    const property = fc.asyncProperty(cuts, async ({ sizes, order, apart }) => {
      await Promise.all(
        [0, 1].map(async (half) => {
          for (const number of order.filter((_, i) => i % 2 === half)) {
            let input = lines(part(portions[number]!.bytes!), hash, sizes);
            for (const steps of apart ? ['tokenize', 'pack', 'mask'] : ['tokenize,pack,mask']) {
              const { code, output, said } = await runStage(steps, datasetPlan, number, input);
              t.is(code, 0, said);
              input = output;
            }
            for (const { name, data } of tableFromIPC(input)) await writeFile(join(dir, 'merged/.build', name), data);
          }
        }),
      );
      const merged = await millrace(['stage', 'merge', '--plan', datasetPlan, '--out', join(dir, 'merged'), '--json']);
      t.is(merged.code, 0, merged.stdout);
      t.deepEqual(await folder(join(dir, 'merged')), local);
      await rm(join(dir, 'merged'), { recursive: true });
      const again = [...['--vocab', join(dir, 'vocab'), '--seq-len', '32', '--split', '0.8,0.2', '--seed', '3']];
      const parts = ['--partition-bytes', `${PARTITION}`, '--out', join(dir, 'merged'), '--stages', datasetPlan];
      t.is((await millrace(['dataset', 'build', file, ...again, ...parts])).code, 0);
    });
    await fc.assert(property, { numRuns: 2, endOnFailure: true });
  },
);

test.serial('words counted apart make the vocabulary of words counted together', async (t) => {
  const { hash, portions } = planned(await readFile(countPlan, 'utf8'));
  t.is(portions.length, 1); // smaller than a partition: any rows will do
  const all = bytes
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line));
  const files = await Promise.all(
    [all.slice(0, 150), all.slice(150)].map(async (rows, i) => {
      const { code, output } = await runStage('count', countPlan, 0, lines(rows, hash, [40]));
      t.is(code, 0);
      await writeFile(join(dir, `${i}.arrows`), output);
      return join(dir, `${i}.arrows`);
    }),
  );
  const out = join(dir, 'vocab2');
  const { code } = await millrace(['vocab', 'train', '--counts', ...files, '--size', '400', '--out', out]);
  t.is(code, 0);
  t.is(await readFile(join(out, 'tokenizer.json'), 'utf8'), await readFile(join(dir, 'vocab/tokenizer.json'), 'utf8'));
});

test.serial('0: a stream and nothing else; 64: no other try will do; 75: another may', async (t) => {
  const { hash, portions } = planned(await readFile(datasetPlan, 'utf8'));
  const whole = lines(part(portions[1]!.bytes!), hash, [20]);
  const other = join(dir, 'other.json');
  await writeFile(other, (await readFile(datasetPlan, 'utf8')).replace('"seed":3', '"seed":4'));
  const [good, cut, wrong, broken, none, beyond, missing] = await Promise.all([
    runStage('tokenize,pack,mask', datasetPlan, 1, whole),
    runStage('tokenize,pack,mask', datasetPlan, 1, whole.subarray(0, whole.length - 9)),
    runStage('tokenize,pack,mask', other, 1, whole),
    runStage('tokenize', join(dir, 'corpus.jsonl'), 1, whole),
    runStage('tokenize', datasetPlan, 1, Buffer.alloc(0)),
    runStage('tokenize', datasetPlan, 10_000, whole),
    runStage('tokenize', join(dir, 'no-such-plan.json'), 1, whole),
  ]);
  t.is(good.code, 0);
  t.is(good.said, '');
  t.deepEqual([...good.output.subarray(-8)], [255, 255, 255, 255, 0, 0, 0, 0]);
  t.true(tableFromIPC(good.output).numRows > 0);
  t.is(JSON.parse(tableFromIPC(good.output).schema.metadata.get('millrace')!).plan, hash);
  t.is(cut.code, 75);
  t.is(none.code, 75);
  for (const { code, said } of [wrong, broken, beyond, missing]) {
    t.is(code, 64);
    const { type, message } = JSON.parse(said) as { type: string; message: string };
    t.is(type, 'error');
    t.truthy(message);
  }
  t.regex(wrong.said, /belongs to the plan/);
});

test.serial('one process takes the streams of many partitions, and answers each before the next comes', async (t) => {
  const { hash, portions } = planned(await readFile(datasetPlan, 'utf8'));
  const steps = 'tokenize,pack,mask';
  const stream = (number: number) => lines(part(portions[number]!.bytes!), hash, [30], number);
  const child = startStage(steps, datasetPlan);
  let said = Buffer.alloc(0);
  child.stdout.on('data', (chunk: Buffer) => {
    said = Buffer.concat([said, chunk]);
  });
  for (const number of [2, 0, 2]) {
    const alone = await runStage(steps, datasetPlan, number, stream(number));
    t.is(alone.code, 0, alone.said);
    said = Buffer.alloc(0);
    child.stdin.write(stream(number));
    while (said.length < alone.output.length) await once(child.stdout, 'data');
    t.true(said.equals(alone.output));
  }
  child.stdin.end();
  t.deepEqual(await once(child, 'exit'), [0, null]);
  const [cut, unnamed] = await Promise.all([
    runStage(steps, datasetPlan, undefined, Buffer.concat([stream(1), stream(0).subarray(0, 300)])),
    runStage(steps, datasetPlan, undefined, lines(part(portions[0]!.bytes!), hash, [30])),
  ]);
  t.is(cut.code, 75);
  t.is(unnamed.code, 64);
});

test.serial('a stage ends at once when nobody reads its output, or when its input ends too early', async (t) => {
  const { hash, portions } = planned(await readFile(datasetPlan, 'utf8'));
  const whole = lines(part(portions[0]!.bytes!), hash, [10]);
  for (const close of ['stdout', 'stdin'] as const) {
    const child = startStage('tokenize,pack,mask', datasetPlan, 0);
    child.stdin.on('error', () => {});
    child.stdin.write(whole.subarray(0, whole.length >> 1));
    await new Promise((resolve) => setTimeout(resolve, 700)); // it waits for more
    t.is(child.exitCode, null);
    const begun = performance.now();
    if (close === 'stdin') child.stdin.end();
    else child.stdout.destroy();
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    const [code] = (await once(child, 'exit')) as [number | null];
    clearTimeout(timer);
    t.is(code, 75, close);
    t.true(performance.now() - begun < 3000);
  }
});

test.serial('a partition that is missing is named before anything is merged', async (t) => {
  const { code, stdout } = await millrace([
    'stage',
    'merge',
    '--plan',
    datasetPlan,
    '--out',
    join(dir, 'merged'),
    '--json',
  ]);
  t.is(code, 1);
  t.regex(stdout, /partitions are missing, the first is 0/);
});
