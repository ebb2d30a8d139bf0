import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { native } from '../../src/native.ts';
import { Safetensors } from '../../src/train/safetensors.ts';

interface Run {
  lrs: number[];
  betas: [number, number];
  eps: number;
  weight_decay: number;
  decay_groups: boolean;
  clip: number | null;
  amsgrad?: boolean;
}
const folder = fileURLToPath(new URL('../fixtures/optim/', import.meta.url));
const { runs } = JSON.parse(readFileSync(`${folder}meta.json`, 'utf8')) as { runs: Record<string, Run> };

for (const [name, run] of Object.entries(runs)) {
  test(`AdamW ends where PyTorch's does after 12 steps: ${name}`, async (t) => {
    const file = await Safetensors.open(`${folder}expected.safetensors`);
    const keys = [...file.tensors.keys()].filter((key) => key.startsWith('p0.')).map((key) => key.slice(3));
    const weights = await Promise.all(keys.map((key) => file.floats(`p0.${key}`)));
    const gradients = await Promise.all(keys.map((key) => file.floats(`g.${key}`)));
    const decays = keys.map((key) =>
      run.decay_groups && file.info(`p0.${key}`).shape.length < 2 ? 0 : run.weight_decay,
    );
    const { AdamW } = native();
    const options = { beta1: run.betas[0], beta2: run.betas[1], eps: run.eps, amsgrad: run.amsgrad ?? false };
    const adamw = new AdamW(
      options,
      weights.map((w) => w.length),
      decays,
    );
    run.lrs.forEach((lr, step) => {
      const now = gradients.map((g, i) => g.subarray(step * weights[i]!.length, (step + 1) * weights[i]!.length));
      adamw.step(weights, now, lr, run.clip ?? undefined);
    });
    for (const [i, key] of keys.entries()) {
      const wanted = await file.floats(`${name}.${key}`);
      wanted.forEach((value, at) => {
        t.true(Math.abs(value - weights[i]![at]!) <= 1e-6 + 1e-5 * Math.abs(value), `${key}[${at}]`);
      });
    }
    await file.close();
  });
}

test('senseless options are refused with the option named', (t) => {
  const { AdamW } = native();
  const error = t.throws(() => new AdamW({ beta1: 1.5, beta2: 0.9, eps: 1e-8 }, [1], [0]));
  t.regex(error.message, /beta1 is 1.5/);
});
