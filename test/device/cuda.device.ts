/** Training on an NVIDIA GPU: `npm run test:cuda`. float32 against the CPU, then products in bfloat16. */
import test from 'ava';
import { probeDevices } from '../../src/train/device.ts';
import { compareWithCpu, trainOn } from '../support/device.ts';
import { families } from '../support/families.ts';

const adam = { betas: [0.9, 0.95] as [number, number], eps: 1e-8, weightDecay: 0.1 };

test.before(async (t) => {
  const [report] = await probeDevices(['cuda']);
  t.true(report!.works, `${report!.reason}; ${report!.remedy}`);
});

for (const family of families) {
  test(`${family.name}: 20 steps on CUDA give the CPU's losses`, (t) => compareWithCpu(t, 'cuda', family));

  test(`${family.name}: with products of bfloat16 the losses stay near those of float32`, async (t) => {
    const { model, options } = family;
    const mixed = await trainOn('cuda', model, { ...options, optimizer: adam, precision: 'bfloat16' });
    const exact = await trainOn('cuda', model, { ...options, optimizer: adam });
    for (const [i, loss] of mixed.losses.entries())
      t.true(Math.abs(loss - exact.losses[i]!) < 0.05 * loss, `step ${i}`);
  });
}
