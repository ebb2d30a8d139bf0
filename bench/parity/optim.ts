/** Given first values and gradients of twelve steps go in; the parameters after AdamW under each run's settings come out. */
import { native } from '../../src/native.ts';
import { type TensorSource, tensor } from '../../src/train/safetensors.ts';
import type { Example } from './example.ts';

interface Run {
  lrs: number[];
  betas: [number, number];
  eps: number;
  weight_decay: number;
  decay_groups: boolean;
  clip: number | null;
  amsgrad?: boolean;
}

export async function optimizerRuns(example: Example): Promise<TensorSource[]> {
  const start = await example.read(['p0.']);
  const grads = await example.read(['g.']);
  const { AdamW } = native();
  return Object.entries(example.meta.runs as Record<string, Run>).flatMap(([name, run]) => {
    const keys = [...start.keys()].map((key) => key.slice(3));
    const weights = keys.map((key) => Float32Array.from(start.get(`p0.${key}`)!.values));
    const shapes = keys.map((key) => start.get(`p0.${key}`)!.shape);
    const decays = shapes.map((shape) => (run.decay_groups && shape.length < 2 ? 0 : run.weight_decay));
    const options = { beta1: run.betas[0], beta2: run.betas[1], eps: run.eps, amsgrad: run.amsgrad ?? false };
    const adamw = new AdamW(
      options,
      weights.map(({ length }) => length),
      decays,
    );
    run.lrs.forEach((lr, step) => {
      const now = keys.map((key, i) => {
        const all = grads.get(`g.${key}`)!.values as Float32Array;
        return all.subarray(step * weights[i]!.length, (step + 1) * weights[i]!.length);
      });
      adamw.step(weights, now, lr, run.clip ?? undefined);
    });
    return keys.map((key, i) => tensor(`${name}.${key}`, shapes[i]!, weights[i]!));
  });
}
