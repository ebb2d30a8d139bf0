/** Micro-batches of a step are one batch, whatever their rows' lengths: every family, with the operators that training has. */
import test from 'ava';
import type { Program } from '../../src/model/index.ts';
import { type Feeds, Session } from '../../src/train/session.ts';
import { batch, families, weights } from '../support/families.ts';
import { maxError } from '../support/ort.ts';

const ROWS = 32;

/** A batch whose rows have labels for 1 to all of their places. */
function unequal(program: Program): Feeds {
  const feeds = batch(program, 5);
  const labels = new Set(program.losses.map((term) => term.labels));
  return Object.fromEntries(
    program.inputs.map(({ name, shape: [rows = 1, time = 1] }) => {
      const cut = labels.has(name) && time > 1;
      const value = (i: number) =>
        cut && i % time > (Math.floor(i / time) * 7) % time ? -100 : Number(feeds[name]![i]);
      return [name, Int32Array.from({ length: rows * time }, (_, i) => value(i))];
    }),
  );
}

for (const { name, model, options } of families) {
  test(`${name}: four micro-batches of 8 rows are one batch of 32, within 1e-6, for rows of unequal length`, async (t) => {
    const make = (batchSize: number): Program => {
      const program = model.trainingProgram({ ...options, batchSize, native: true });
      // Masks belong to a micro-batch by its number: other ones in other splits.
      return { ...program, dropout: program.dropout.map((mask) => ({ ...mask, p: 0 })) };
    };
    const whole = unequal(make(ROWS));
    const run = async (split: number) => {
      const program = make(ROWS / split);
      const session = Session.create({ parameters: model.parameters, threads: 2 });
      session.optimize({ betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0 });
      for (const [parameter, values] of Object.entries(weights(program)))
        session.write('weight', parameter, Float32Array.from(values));
      const loaded = await session.load(program);
      const part = (values: Feeds[string], k: number) =>
        values.slice((k * values.length) / split, ((k + 1) * values.length) / split);
      const micros = Array.from({ length: split }, (_, k) => ({
        loaded,
        feeds: Object.fromEntries(Object.entries(whole).map(([input, values]) => [input, part(values, k)])),
      }));
      const result = await session.step(micros, { lr: 0, seed: 1, step: 0 });
      return { ...result, gradients: session.trained.map((parameter) => session.read('gradient', parameter.name)) };
    };
    const [one, four] = [await run(1), await run(4)];
    t.deepEqual(four.counts, one.counts);
    t.true(maxError(four.losses, one.losses) < 1e-6);
    for (const [i, parameter] of model.parameters.filter(({ frozen }) => !frozen).entries()) {
      const error = maxError(four.gradients[i]!, one.gradients[i]!);
      t.true(error < 1e-6, `${parameter.name}: ${error}`);
    }
  });
}
