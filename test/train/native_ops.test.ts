/**
 * The native crate's own operators against the runtime's: the same losses and gradients for every family, and the same bits
 * from run to run.
 */
import test from 'ava';
import type { Model, Program, TrainingOptions } from '../../src/model/index.ts';
import { type Feeds, Session } from '../../src/train/session.ts';
import { batch, families, weights } from '../support/families.ts';
import { maxError } from '../support/ort.ts';

const adam = { betas: [0.9, 0.95] as [number, number], eps: 1e-8, weightDecay: 0.1 };

async function gradients(model: Model, program: Program, runs = 1) {
  const session = Session.create({ parameters: model.parameters, threads: 2 });
  session.optimize(adam);
  const start = weights(program);
  const reset = () => {
    for (const [name, values] of Object.entries(start)) session.write('weight', name, Float32Array.from(values));
  };
  const loaded = await session.load(program);
  const feeds: Feeds = Object.fromEntries(
    program.inputs.map(({ name }) => [name, Int32Array.from(batch(program, 1)[name]!)]),
  );
  const found: Record<string, ArrayLike<number>>[] = [];
  for (let run = 0; run < runs; run++) {
    reset();
    const { losses } = await session.step([{ loaded, feeds }], { lr: 1e-3, seed: 5, step: 0 });
    found.push({
      losses,
      ...Object.fromEntries(session.trained.map(({ name }) => [name, session.read('gradient', name)])),
    });
  }
  return found;
}

const variants: Partial<TrainingOptions>[] = [{}, { labelSmoothing: 0.1 }, { checkpoint: true }];

for (const { name, model, options } of families) {
  test(`${name}: losses and gradients are those of the runtime’s own operators`, async (t) => {
    for (const variant of variants) {
      const portable = model.trainingProgram({ ...options, ...variant });
      const native = model.trainingProgram({ ...options, ...variant, native: true });
      const graph = Buffer.from(native.onnx).toString('latin1');
      for (const op of [/CrossEntropy/, /AttentionGrad/, /MatMulAdd|Linear/]) t.regex(graph, op);
      const [[wanted], [found]] = [await gradients(model, portable), await gradients(model, native)];
      for (const [key, values] of Object.entries(wanted!)) {
        const error = maxError(found![key]!, values);
        t.true(error < 5e-6, `${key} ${JSON.stringify(variant)}: ${error}`);
      }
    }
  });

  test(`${name}: the same bits, run after run`, async (t) => {
    const [first, ...others] = await gradients(model, model.trainingProgram({ ...options, native: true }), 6);
    for (const other of others) t.deepEqual(other, first);
  });
}
