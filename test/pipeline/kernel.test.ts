import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { kernel } from '../../src/pipeline/stages/kernel.ts';

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
