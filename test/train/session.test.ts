import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { llama } from '../../src/model/index.ts';
import { Safetensors } from '../../src/train/safetensors.ts';
import { Session } from '../../src/train/session.ts';
import { batchOf, tinyPrograms } from './support.ts';

const adam = { betas: [0.9, 0.95] as [number, number], eps: 1e-8, weightDecay: 0.1 };

async function started({ dropout = 0, threads = 2 } = {}) {
  const programs = tinyPrograms({ dropout });
  const session = Session.create({ parameters: programs.parameters, threads });
  session.optimize(adam);
  await session.init(7);
  return { programs, session };
}

/** Before each of five steps and after them: torch.optim.AdamW, lr 1e-3, decay 0.01 of everything, no clipping. */
const LOSSES = [
  4.83747673034668, 4.509544849395752, 4.2197957038879395, 3.9673612117767334, 3.745026111602783, 3.543537139892578,
];

test('the losses of five steps of AdamW are PyTorch’s, on the llama_mha fixture', async (t) => {
  const folder = fileURLToPath(new URL('../fixtures/models/llama_mha/', import.meta.url));
  const config = JSON.parse(readFileSync(`${folder}config.json`, 'utf8')) as Record<string, unknown>;
  const model = llama({ ...config, family: 'llama' } as unknown as Parameters<typeof llama>[0]);
  const expected = await Safetensors.open(`${folder}expected.safetensors`);
  const [rows, length] = expected.info('in.input_ids').shape as [number, number];
  const ints = async (name: string) =>
    Int32Array.from(new BigInt64Array((await expected.bytes(name)).slice().buffer), Number);
  const input_ids = await ints('in.input_ids');
  const given = await ints('in.labels');
  const labels = given.map((_, i) => (i % length === length - 1 ? -100 : given[i + 1]!));

  const session = Session.create({ parameters: model.parameters.map((p) => ({ ...p, decay: true })), threads: 2 });
  session.optimize({ betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01 });
  await session.loadWeights(`${folder}model.safetensors`);
  const loaded = await session.load(model.trainingProgram({ batchSize: rows, seqLen: length, native: true }));
  for (let step = 0; step < LOSSES.length; step++) {
    const result = await session.step([{ loaded, feeds: { input_ids, labels } }], { lr: 1e-3, seed: 1, step });
    t.true(Math.abs(result.losses[0]! - LOSSES[step]!) < 5e-5, `loss of step ${step}`);
    if (step === 0) {
      const norm = (await expected.floats('grad_norm'))[0]!;
      t.true(Math.abs(result.gradNorm - norm) < 2e-5, `${result.gradNorm} ${norm}`);
    }
  }
  await expected.close();
});

test('steps are the same bits again, dropout and accumulation on', async (t) => {
  const run = async () => {
    const { programs, session } = await started({ dropout: 0.2 });
    const loaded = await session.load(programs.training({ batchSize: 4, seqLen: 16 }));
    for (let step = 0; step < 5; step++) {
      const micros = [0, 1, 2].map((k) => ({ loaded, feeds: batchOf(step * 3 + k).feeds }));
      await session.step(micros, { lr: 1e-3, maxNorm: 1, seed: 11, step });
    }
    return session.trained.map(({ name }) => session.read('weight', name));
  };
  t.deepEqual(await run(), await run());
});

test('dropout masks differ between steps and are off in evaluation', async (t) => {
  const { programs, session } = await started({ dropout: 0.5 });
  const training = await session.load(programs.training({ batchSize: 4, seqLen: 16 }));
  const evaluation = await session.load(programs.evaluation({ batchSize: 4, seqLen: 16 }));
  const { feeds } = batchOf(1);
  const loss = async (step: number) =>
    (await session.step([{ loaded: training, feeds }], { lr: 0, seed: 1, step })).losses[0]!;
  t.not(await loss(0), await loss(1));
  t.is(await loss(2), await loss(2));
  const once = await session.run(evaluation, feeds);
  t.deepEqual(await session.run(evaluation, feeds), once);
});

test('a loss that is not finite leaves the weights as they were', async (t) => {
  const { programs, session } = await started();
  const loaded = await session.load(programs.training({ batchSize: 4, seqLen: 16 }));
  const name = 'model.norm.weight';
  session.write('weight', name, Float32Array.of(Number.NaN), 3);
  const before = session.trained.map((p) => session.read('weight', p.name));
  const result = await session.step([{ loaded, feeds: batchOf(0).feeds }], { lr: 1e-2, seed: 1, step: 0 });
  t.false(result.applied);
  t.is(session.updates, 0);
  t.deepEqual(
    session.trained.map((p) => session.read('weight', p.name)),
    before,
  );
});

test('the event loop stays free while a step runs', async (t) => {
  const programs = tinyPrograms();
  const session = Session.create({ parameters: programs.parameters, threads: 1 });
  session.optimize(adam);
  await session.init(7);
  const loaded = await session.load(programs.training({ batchSize: 512, seqLen: 16 }));
  const { feeds } = batchOf(1, 512);
  const gaps: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    gaps.push(performance.now() - last);
    last = performance.now();
  }, 2);
  let ran = 0;
  for (let step = 0; step < 12; step++) {
    ran += (await session.step([{ loaded, feeds }], { lr: 1e-3, seed: 1, step })).runMs;
  }
  clearInterval(timer);
  // Were the loop blocked, there would be about one tick a step.
  t.true(gaps.length > ran / 25, `${gaps.length} ticks in ${ran} ms of running`);
});

test('what a program wants and a batch lacks is named', async (t) => {
  const { programs, session } = await started();
  const loaded = await session.load(programs.training({ batchSize: 4, seqLen: 16 }));
  const { feeds } = batchOf(0);
  const step = (given: typeof feeds) => session.step([{ loaded, feeds: given }], { lr: 0, seed: 1, step: 0 });
  await t.throwsAsync(step({ labels: feeds.labels! }), { code: 'input', message: /no input_ids/ });
  await t.throwsAsync(step({ ...feeds, input_ids: new Int32Array(3) }), { message: /int32 of 3 elements/ });
});
