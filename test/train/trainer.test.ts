import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { MillraceError } from '../../src/errors.ts';
import { trainPrograms } from '../../src/train/trainer.ts';
import { readEvents, sha256, temporary, tinyData, tinyPrograms, tinyRecipe } from './support.ts';

const programs = tinyPrograms({ dropout: 0.1 });
const recipe = tinyRecipe({ accumulation: 2 });
const base = { programs, data: tinyData(), recipe, threads: 2 };
const weights = (run: string, step = 12) =>
  sha256(readFileSync(join(run, 'checkpoints', `step-${String(step).padStart(6, '0')}`, 'model.safetensors')));

test('a run learns and leaves checkpoints, metrics and a validation loss', async (t) => {
  const out = await temporary();
  const result = await trainPrograms({ ...base, out });
  t.is(result.step, 12);
  t.true(result.validationLoss! < 3.8, `${result.validationLoss}`);
  t.deepEqual(readdirSync(join(out, 'checkpoints')).sort(), ['step-000006', 'step-000009', 'step-000012']);
  const events = readEvents(join(out, 'metrics.jsonl'));
  const types = events.map(({ type }) => type);
  t.is(types[0], 'start');
  t.is(types.at(-1), 'end');
  t.is(types.filter((type) => type === 'step').length, 12);
  t.deepEqual(
    events.filter(({ type }) => type === 'validation').map(({ step }) => step),
    [6, 12],
  );
  const start = events[0] as { tokensPerStep: number; flopsPerStep: number };
  t.is(start.tokensPerStep, 2 * 4 * 16);
  t.true(start.flopsPerStep > 1e6);
});

test('a resumed run ends with the very bits of the undisturbed one; a damaged checkpoint is passed over, and said', async (t) => {
  const whole = await temporary();
  await trainPrograms({ ...base, out: whole });
  const cut = await temporary();
  await trainPrograms({ ...base, out: cut, maxSteps: 9 });
  await truncate(join(cut, 'checkpoints/step-000009/optimizer.safetensors'), 100);
  appendFileSync(join(cut, 'metrics.jsonl'), '{"type":"step","st');
  await mkdir(join(cut, 'checkpoints/.tmp-step-000012'));
  await writeFile(join(cut, 'checkpoints/.tmp-step-000012/model.safetensors'), 'half');
  const warnings: string[] = [];
  await trainPrograms({
    ...base,
    out: cut,
    resume: 'auto',
    onEvent: (event) => event.type === 'warning' && warnings.push(event.message),
  });
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /step-000009 is damaged: the SHA-256 of optimizer.safetensors .* going on from .*step-000006/);
  t.is(weights(cut), weights(whole));
  const steps = readEvents(join(cut, 'metrics.jsonl')).filter(({ type }) => type === 'step');
  t.deepEqual(
    steps.map(({ step }) => step),
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
  t.false(readdirSync(join(cut, 'checkpoints')).some((name) => name.startsWith('.tmp')));
});

test('a run that is killed at any moment goes on to the same bits', async (t) => {
  const whole = await temporary();
  await trainPrograms({ ...base, out: whole, recipe: tinyRecipe({ accumulation: 2, steps: 60 }) });
  const killed = await temporary();
  const child = fileURLToPath(new URL('./child.ts', import.meta.url));
  let rounds = 0;
  for (; rounds < 4; rounds++) {
    const process_ = spawn(process.execPath, ['--import=tsx', child, killed], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(process_, 'exit') as Promise<[number | null]>;
    // The child says when it begins to train; then a moment that differs from round to round.
    await Promise.race([once(process_.stdout, 'data'), exited]);
    const timer = setTimeout(() => process_.kill('SIGKILL'), 20 + ((rounds * 37) % 90));
    const [code] = await exited;
    clearTimeout(timer);
    if (code === 0) break;
  }
  t.true(rounds >= 1, 'it was never killed');
  if (rounds === 4)
    await trainPrograms({ ...base, out: killed, resume: 'auto', recipe: tinyRecipe({ accumulation: 2, steps: 60 }) });
  t.is(weights(killed, 60), weights(whole, 60));
});

test('an abort saves a checkpoint and says how to go on', async (t) => {
  const out = await temporary();
  const stop = new AbortController();
  const error = await t.throwsAsync<MillraceError>(
    trainPrograms({
      ...base,
      out,
      signal: stop.signal,
      onEvent: (event) => event.type === 'step' && event.step === 5 && stop.abort(),
    }),
    { code: 'cancelled', message: /after step 5/ },
  );
  t.regex(error?.hint ?? '', /--resume auto/);
  t.true(readdirSync(join(out, 'checkpoints')).includes('step-000005'));
  await trainPrograms({ ...base, out, resume: 'auto' });
  const whole = await temporary();
  await trainPrograms({ ...base, out: whole });
  t.is(weights(out), weights(whole));
});

test('an abort while a sample is taken saves that step; a sample that fails by itself is an error', async (t) => {
  const out = await temporary();
  const controller = new AbortController();
  const sampled = {
    ...base,
    recipe: tinyRecipe({ sample_every: 5 }),
    sample: async () => {
      controller.abort();
      throw new MillraceError('cancelled', 'generating was cancelled');
    },
  };
  await t.throwsAsync(trainPrograms({ ...sampled, out, signal: controller.signal }), {
    code: 'cancelled',
    message: /stopped after step 5, saved as .*step-000005/,
  });
  t.is(readEvents(join(out, 'metrics.jsonl')).at(-1)?.type, 'end');
  await t.throwsAsync(trainPrograms({ ...sampled, out: await temporary() }), { message: 'generating was cancelled' });
});

test('a folder with checkpoints is not trained into by accident', async (t) => {
  const out = await temporary();
  await trainPrograms({ ...base, out, maxSteps: 3 });
  await t.throwsAsync(trainPrograms({ ...base, out }), { code: 'config', message: /earlier run/ });
  await rm(out, { recursive: true });
});

test('a resumed run with another seed says that it is another run', async (t) => {
  const out = await temporary();
  await trainPrograms({ ...base, out, maxSteps: 3 });
  const warnings: string[] = [];
  await trainPrograms({
    ...base,
    out,
    resume: 'auto',
    recipe: tinyRecipe({ accumulation: 2, seed: 9 }),
    onEvent: (event) => event.type === 'warning' && warnings.push(event.message),
  });
  t.regex(warnings.join(), /made with seed 1, now it is 9/);
});

test('a run whose loss is not finite stops, and with `skip` bears a few', async (t) => {
  const wild = tinyRecipe({}, { lr: 1e30, clip: null });
  await t.throwsAsync(trainPrograms({ ...base, recipe: wild, out: await temporary() }), {
    code: 'failed',
    message: /not finite/,
  });
  const skipping = tinyRecipe({ on_nonfinite: 'skip', steps: 9 }, { lr: 1e30, clip: null });
  const result = await trainPrograms({ ...base, recipe: skipping, out: await temporary() });
  t.is(result.step, 9);
});

test('samples are taken when they are due, and the average of the weights is what is validated', async (t) => {
  const out = await temporary();
  const seen: number[] = [];
  const result = await trainPrograms({
    ...base,
    recipe: tinyRecipe({ sample_every: 5 }, { ema: 0.5 }),
    out,
    sample: async ({ step }) => {
      seen.push(step);
      return [`at ${step}`];
    },
  });
  t.deepEqual(seen, [5, 10, 12]);
  t.is(readEvents(join(out, 'metrics.jsonl')).filter(({ type }) => type === 'sample').length, 3);
  const plain = await trainPrograms({ ...base, out: await temporary() });
  t.not(result.validationLoss, plain.validationLoss);
});
