import { readFileSync } from 'node:fs';
import test from 'ava';
import { learningRate, type Schedule } from '../../src/train/schedule.ts';

interface Meta {
  runs: Record<string, { lrs: number[] }>;
}
// Learning rates that PyTorch and Hugging Face's schedulers gave (test/fixtures/optim/meta.json).
const { runs } = JSON.parse(readFileSync(new URL('../fixtures/optim/meta.json', import.meta.url), 'utf8')) as Meta;

const cases: [string, Schedule, number, number][] = [
  ['cosine', { kind: 'cosine', warmup: 3, min_ratio: 0.1, decay_steps: 10 }, 0.01, 12],
  ['linear', { kind: 'linear', warmup: 3, min_ratio: 0 }, 0.01, 12],
  ['wsd', { kind: 'wsd', warmup: 3, decay: 4, min_ratio: 0 }, 0.01, 12],
  ['noam', { kind: 'noam', warmup: 4, d_model: 32 }, 1, 12],
];
for (const [name, schedule, lr, steps] of cases) {
  test(`${name} gives the reference's rates`, (t) => {
    runs[name]!.lrs.forEach((wanted, step) => {
      const got = learningRate(schedule, { step, steps, lr });
      t.true(Math.abs(got - wanted) <= 1e-12, `step ${step}: ${got}, wanted ${wanted}`);
    });
  });
}

test('inverse-sqrt peaks at the end of the warmup and halves at four times it', (t) => {
  const schedule: Schedule = { kind: 'inverse-sqrt', warmup: 100 };
  const at = (step: number) => learningRate(schedule, { step, steps: 1000, lr: 0.2 });
  t.is(at(49), 0.1);
  t.is(at(99), 0.2);
  t.is(at(399), 0.1);
});

test('constant warms up and stays', (t) => {
  const at = (step: number) => learningRate({ kind: 'constant', warmup: 4 }, { step, steps: 9, lr: 1 });
  t.deepEqual([0, 1, 3, 4, 8].map(at), [0.25, 0.5, 1, 1, 1]);
});
