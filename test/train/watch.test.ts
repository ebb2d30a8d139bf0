import test from 'ava';
import { LossWatch } from '../../src/train/watch.ts';

const recipe = { on_nonfinite: 'stop' as const, spike: { factor: 3, patience: 4 } };

test('a loss that stays above the factor stops the run after the patience, a short spike does not', (t) => {
  const watch = new LossWatch(recipe, null);
  for (let i = 0; i < 60; i++) t.is(watch.see(2, true), undefined);
  for (let i = 0; i < 3; i++) t.is(watch.see(10, true), undefined);
  t.is(watch.see(2, true), undefined);
  t.true(Math.abs(watch.mean! - 2) < 1e-9);
  const verdicts = [1, 2, 3, 4].map(() => watch.see(10, true));
  t.deepEqual(verdicts.slice(0, 3), [undefined, undefined, undefined]);
  t.regex(verdicts[3] ?? '', /above 3 times its mean 2.0000 for 4 updates/);
});

test('early losses are not judged, and null turns the stop off', (t) => {
  const early = new LossWatch(recipe, null);
  early.see(1, true);
  for (let i = 0; i < 20; i++) t.is(early.see(50, true), undefined);
  const off = new LossWatch({ ...recipe, spike: null }, 1);
  for (let i = 0; i < 100; i++) t.is(off.see(50, true), undefined);
});

test('`skip` bears ten updates in a row that are not finite, not more', (t) => {
  const watch = new LossWatch({ ...recipe, on_nonfinite: 'skip' }, null);
  for (let i = 0; i < 10; i++) t.is(watch.see(Number.NaN, false), undefined);
  t.regex(watch.see(Number.NaN, false) ?? '', /not finite/);
});
