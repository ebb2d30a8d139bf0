import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { kernel } from '../../src/pipeline/stages/kernel.ts';
import { rotary } from '../../src/pipeline/stages/rotary.ts';

test('the width of a Gaussian kernel is learnt, near the best there is', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'millrace-kernel-'));
  const pipeline = { name: 'k', dir: out, description: undefined };
  const run = (given: object) =>
    kernel.run({ name: 'kernel', config: kernel.schema.parse(given), inputs: {}, out, pipeline, onEvent: () => {} });
  const { width, lossBefore, lossAfter } = (await run({})) as Record<string, number>;
  t.true(lossAfter! < lossBefore! / 2, `${lossBefore} to ${lossAfter}`);
  // The minimum is flat: no width around it is better by more than 2 %.
  for (const factor of [0.5, 0.8, 0.9, 1.1, 1.25, 2]) {
    const { lossBefore: there } = (await run({ width: width! * factor, steps: 1 })) as Record<string, number>;
    t.true(there! > 0.98 * lossAfter!, `${factor}: ${there}`);
  }
  t.regex(await readFile(join(out, 'regression.svg'), 'utf8'), /^<svg .*<polyline .*<\/svg>\n$/s);
});

test('rotary: the score depends on the distance and on its direction', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'millrace-rotary-'));
  const pipeline = { name: 'r', dir: out, description: undefined };
  const config = rotary.schema.parse({});
  const figures = await rotary.run({ name: 'rotary', config, inputs: {}, out, pipeline, onEvent: () => {} });
  t.true((figures.sameDistance as number) < 1e-12);
  t.true((figures.otherDirection as number) > 1);
  t.regex(await readFile(join(out, 'rotary.svg'), 'utf8'), /^<svg .*<\/svg>\n$/s);
});
