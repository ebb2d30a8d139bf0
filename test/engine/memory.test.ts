/** A stage holds one partition, whatever comes through its pipes. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Binary, makeVector, RecordBatch, Schema, Table, tableToIPC, vectorFromArray } from 'apache-arrow';
import test from 'ava';
import { planned } from '../../src/engine/plan.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';
import { millrace } from '../cli/run.ts';
import { writeRecords } from './records.ts';
import { startStage } from './stages.ts';

let dir = '';
let records = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-memory-'));
  await writeRecords(join(dir, 'small.jsonl'), 8000, 5);
  records = await readFile(join(dir, 'small.jsonl'), 'utf8');
  await trainVocab({ files: [join(dir, 'small.jsonl')], kind: 'bpe', vocabSize: 400, out: join(dir, 'vocab') });
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

/** Most memory in MB that the process has held, as it stands whenever it writes and a hundred times a second. */
async function peak(steps: string, plan: string, input: Buffer): Promise<number> {
  const child = startStage(steps, plan, 0);
  let most = 0;
  const look = async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    most = Math.max(most, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  };
  child.stdout.on('data', look);
  const clock = setInterval(look, 10);
  child.stderr.resume();
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(clock);
  if (code !== 0) throw new Error(`${steps} ended with ${code}`);
  return most;
}

test('eight times as much text takes no more memory', async (t) => {
  const peaks: Record<string, number[]> = { count: [], 'tokenize,pack,mask': [] };
  for (const times of [10, 80]) {
    // Packed, so that one process has to take all of it: about 9 and 72 MB of text.
    const file = join(dir, `${times}.jsonl.gz`);
    const packed = gzipSync(records.repeat(times), { level: 1 });
    await writeFile(file, packed);
    const [count, dataset] = [join(dir, 'count.json'), join(dir, 'dataset.json')];
    const how = ['--vocab', join(dir, 'vocab'), '--seq-len', '64', '--partition-bytes', '1000000'];
    await millrace(['vocab', 'count', file, '--stages', '--out', count]);
    await millrace(['dataset', 'build', file, ...how, '--out', join(dir, 'out'), '--stages', dataset]);
    for (const [steps, plan] of [
      ['count', count],
      ['tokenize,pack,mask', dataset],
    ] as const) {
      const { hash } = planned(await readFile(plan, 'utf8'));
      const pieces = Array.from({ length: Math.ceil(packed.length / 65536) }, (_, i) =>
        packed.subarray(i * 65536, (i + 1) * 65536),
      );
      const whole = new Table({
        source: makeVector(new Int32Array(pieces.length)),
        data: vectorFromArray(pieces, new Binary()),
      });
      const about = new Map([['millrace', JSON.stringify({ plan: hash, form: 'files' })]]);
      const schema = new Schema(whole.schema.fields, about);
      const batches = whole.batches.map((batch) => new RecordBatch(schema, batch.data));
      peaks[steps]!.push(await peak(steps, plan, Buffer.from(tableToIPC(new Table(schema, batches), 'stream'))));
    }
  }
  t.log(peaks);
  for (const [steps, [less = 0, more = 0]] of Object.entries(peaks)) {
    t.true(less > 30, steps);
    t.true(more < less + 24, `${steps}: ${less} MB, then ${more} MB`);
  }
});
