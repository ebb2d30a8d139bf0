import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { RunEvent } from '../../src/pipeline/run.ts';
import { combinations, runSweep } from '../../src/pipeline/sweep.ts';
import { collect } from '../../src/report/collect.ts';
import { stages } from './fake.ts';

test('all combinations, the last path changing fastest', (t) => {
  t.deepEqual(combinations({ a: [1, 2], b: ['x', 'y'] }), [
    { a: 1, b: 'x' },
    { a: 1, b: 'y' },
    { a: 2, b: 'x' },
    { a: 2, b: 'y' },
  ]);
});

test('a sweep runs what differs, shares what doesn’t, and ends in a table', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-sweep-'));
  const path = join(dir, 'p.yaml');
  await writeFile(join(dir, 'a.txt'), 'hello');
  await writeFile(
    path,
    `name: s
out: ${join(dir, 'run')}
stages:
  corpus: { files: [${join(dir, 'a.txt')}] }
  vocab:
  train: { steps: 2 }
  report:
sweep:
  stages.vocab.upper: [false, true]
  stages.train.steps: [2, 3]
`,
  );
  const run = async () => {
    const ran: string[] = [];
    const onEvent = (event: RunEvent) => {
      if (event.type === 'stage-end' && !event.adopted) ran.push(event.stage);
    };
    return { result: await runSweep(path, { stages, overrides: [], run: { onEvent } }), ran };
  };
  const { result, ran } = await run();
  t.deepEqual(
    result.points.map(({ values }) => Object.values(values)),
    [
      [false, 2],
      [false, 3],
      [true, 2],
      [true, 3],
    ],
  );
  // The corpus once, each vocabulary once, training and report at every point.
  t.deepEqual([...ran].sort(), ['corpus', ...Array(4).fill('report'), ...Array(4).fill('train'), 'vocab', 'vocab']);
  t.deepEqual((await run()).ran, [], 'once more: all fresh');
  const stored = JSON.parse(await readFile(result.path, 'utf8')) as typeof result;
  t.deepEqual(stored.points, result.points);
  const { comparison } = await collect(join(dir, 'run'));
  t.deepEqual(comparison?.head.slice(0, 2), ['stages.vocab.upper', 'stages.train.steps']);
  t.is(comparison?.rows.length, 4);
});
