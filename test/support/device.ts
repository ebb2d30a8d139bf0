/** A device in, each family's losses and weights there beside the CPU's out: 20 steps with AdamW in the graph. For tests only. */
import type { ExecutionContext } from 'ava';
import type { Model, TrainingOptions } from '../../src/model/index.ts';
import { type Feeds, Session } from '../../src/train/session.ts';
import { batch, type Family, weights } from './families.ts';
import { maxError } from './ort.ts';

const adam = { betas: [0.9, 0.95] as [number, number], eps: 1e-8, weightDecay: 0.1 };
export const STEPS = 20;

export async function trainOn(device: string, model: Model, options: TrainingOptions, steps = STEPS) {
  const program = model.trainingProgram(options);
  const session = Session.create({ parameters: model.parameters, threads: 2, device });
  for (const [name, values] of Object.entries(weights(program)))
    session.write('weight', name, Float32Array.from(values));
  session.optimize(adam);
  const loaded = await session.load(program);
  const losses: number[] = [];
  const run = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const step = losses.length;
      const feeds: Feeds = Object.fromEntries(
        program.inputs.map(({ name }) => [name, Int32Array.from(batch(program, step)[name]!)]),
      );
      const result = await session.step([{ loaded, feeds }], { lr: 1e-3, maxNorm: 1, seed: 3, step });
      losses.push(result.losses.reduce((a, b) => a + b, 0));
    }
  };
  await run(steps);
  return { session, losses, run };
}

/** Losses within 1e-4 of the CPU's, and weights and moments that come back from the device. */
export async function compareWithCpu(t: ExecutionContext, device: string, family: Family) {
  const { model, options } = family;
  const there = await trainOn(device, model, { ...options, optimizer: adam, portable: device === 'webgpu' });
  const here = await trainOn('cpu', model, { ...options, native: true });
  const error = Math.max(...there.losses.map((loss, i) => Math.abs(loss - here.losses[i]!)));
  t.log(
    `${device}: losses ${there.losses[0]?.toFixed(6)} to ${there.losses.at(-1)?.toFixed(6)}, ${error.toExponential(1)} from the CPU's`,
  );
  t.true(error < 1e-4, `losses differ by ${error}`);
  t.is(there.session.updates, STEPS);
  for (const { name, shape } of there.session.trained) {
    // A key's bias has a gradient of rounding noise alone, which AdamW blows up.
    if (shape.length === 1 && /key|k_proj|in_proj|c_attn/.test(name)) continue;
    const moved = maxError(there.session.read('exp_avg', name), here.session.read('exp_avg', name));
    t.true(moved < 1e-3, `first moment of ${name}: ${moved}`);
  }
}
