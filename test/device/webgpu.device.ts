/** Training on WebGPU, on whatever adapter there is; .ci/device.mjs finds a software one where the machine has no other. */
import test from 'ava';
import * as ort from 'onnxruntime-node';
import { probeDevices } from '../../src/train/device.ts';
import { graphOptions, programsOf } from '../../src/train/model.ts';
import { trainPrograms } from '../../src/train/trainer.ts';
import { compareWithCpu } from '../support/device.ts';
import { leastFamilies } from '../support/families.ts';
import { batchOf, readEvents, temporary, tinyModel, tinyRecipe } from '../train/support.ts';

test.before(async (t) => {
  const [report] = await probeDevices(['webgpu']);
  t.true(report!.works, `${report!.reason}; ${report!.remedy}`);
});

for (const family of leastFamilies) {
  test(`${family.name}: every node of the training graph runs there`, async (t) => {
    const { model, options } = family;
    const optimizer = { betas: [0.9, 0.95] as [number, number], eps: 1e-8, weightDecay: 0.1 };
    const { onnx } = model.trainingProgram({ ...options, portable: true, optimizer });
    const extra = { session: { disable_cpu_ep_fallback: '1' } };
    await t.notThrowsAsync(ort.InferenceSession.create(onnx, { executionProviders: ['webgpu'], extra }));
  });

  test(`${family.name}: 20 steps on WebGPU give the CPU's losses`, (t) => compareWithCpu(t, 'webgpu', family));
}

test('a run with validation and checkpoints, resumed, has the losses of a run on the CPU', async (t) => {
  const recipe = tinyRecipe({ steps: 4, checkpoint_every: 2, validate_every: 2 });
  const run = async (device: string, stops: number[]) => {
    const out = await temporary();
    const programs = programsOf(tinyModel(), { isolate: false, ...graphOptions(recipe, device) });
    const data = {
      async *train(cursor: unknown) {
        for (let index = (cursor as number | undefined) ?? 0; ; index++) yield batchOf(index);
      },
      async *validation() {
        yield batchOf(1000);
      },
    };
    for (const maxSteps of stops)
      await trainPrograms({ programs, data, recipe, device, threads: 2, out, maxSteps, resume: 'auto' });
    return readEvents(`${out}/metrics.jsonl`).flatMap((event) => ('loss' in event ? [event.loss] : []));
  };
  const [there, here] = [await run('webgpu', [2, 4]), await run('cpu', [4])];
  t.is(there.length, 6);
  for (const [i, loss] of here.entries()) t.true(Math.abs(there[i]! - loss) < 1e-4, `${there} and ${here}`);
});
