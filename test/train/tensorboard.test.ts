import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import {
  crc32c,
  record,
  restartEvent,
  summaryEvent,
  TensorBoardFile,
  versionEvent,
} from '../../src/train/tensorboard.ts';
import { temporary } from './support.ts';

test('CRC-32C has the check value of its definition', (t) => {
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283);
});

test('records are those that TensorBoard’s own writer makes (bench/fixtures_tensorboard.py)', (t) => {
  const wanted = readFileSync(fileURLToPath(new URL('../fixtures/tensorboard/events.bin', import.meta.url)));
  const events = [
    versionEvent(1.5),
    restartEvent(1.5, 301),
    summaryEvent(2.25, 301, [
      { tag: 'train/loss', scalar: 3.25 },
      { tag: 'train/lr', scalar: 0.001 },
    ]),
    summaryEvent(3.75, 70000, [{ tag: 'sample', text: 'Call me Ishmael – 白鲸' }]),
  ];
  t.is(Buffer.concat(events.map(record)).toString('hex'), wanted.toString('hex'));
});

test('events become one file a start, named so that TensorBoard finds it', async (t) => {
  const out = await temporary();
  const board = await TensorBoardFile.open(out, { from: 0 });
  board.write({ type: 'validation', step: 5, loss: 2, perplexity: 7, accuracy: { mlm: 0.5 }, items: 3, ms: 1 });
  board.write({ type: 'checkpoint', step: 5, path: 'x', ms: 1 });
  await board.close();
  const names = readdirSync(out);
  t.is(names.length, 1);
  t.regex(names[0]!, /^events\.out\.tfevents\.\d{10}\./);
  const text = readFileSync(join(out, names[0]!)).toString('latin1');
  for (const tag of ['validation/loss', 'validation/perplexity', 'validation/accuracy/mlm']) t.true(text.includes(tag));
});
