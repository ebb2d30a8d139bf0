/** Training leaves the process free: timers come on time, and Ctrl-C ends `millrace train` with a checkpoint and 130. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { buildDataset, trainVocab } from '../../src/index.ts';
import { trainPrograms } from '../../src/train/trainer.ts';
import { main, millrace } from '../cli/run.ts';
import { batchOf, temporary, tinyPrograms, tinyRecipe } from './support.ts';

/** How late the latest 5 ms timer came while a run of big steps trained, and how long a step of it took. */
async function latest(): Promise<{ late: number; step: number }> {
  let late = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    late = Math.max(late, performance.now() - last - 5);
    last = performance.now();
  }, 5);
  const times: number[] = [];
  await trainPrograms({
    programs: tinyPrograms(),
    data: {
      async *train() {
        for (let index = 0; ; index++) yield batchOf(index, 1024);
      },
    },
    recipe: tinyRecipe({ steps: 12, checkpoint_every: 100, spike: null }),
    threads: 1,
    out: await temporary(),
    onEvent(event) {
      if (event.type === 'start') [late, last] = [0, performance.now()];
      if (event.type !== 'step') return;
      times.push(event.ms);
      if (event.step === 12) clearInterval(timer);
    },
  });
  return { late, step: times.sort((a, b) => a - b)[times.length >> 1]! };
}

test('timers are less than 20 ms late while training', async (t) => {
  // Another process can take the core away for as long at any time: one quiet stretch of several shows that training doesn't.
  const seen: { late: number; step: number }[] = [];
  while (seen.length < 8 && !seen.some(({ late }) => late < 20)) seen.push(await latest());
  const text = seen.map(({ late, step }) => `${late.toFixed(1)} ms late, steps of ${step.toFixed(0)} ms`).join('; ');
  t.log(text);
  t.true(
    seen.some(({ late, step }) => late < 20 && step > 20),
    text,
  );
});

test('Ctrl-C saves a checkpoint and exits with 130; the run goes on from it', async (t) => {
  const dir = await temporary();
  const text = join(dir, 'text.txt');
  writeFileSync(
    text,
    Array.from({ length: 400 }, (_, i) => `Row ${i} has the square ${i * i} and the cube ${i ** 3}.`).join('\n'),
  );
  const [vocab, dataset, out] = [join(dir, 'vocab'), join(dir, 'dataset'), join(dir, 'run')];
  await trainVocab({ files: [text], kind: 'bpe', vocabSize: 280, out: vocab });
  await buildDataset({ files: [text], vocab, task: 'causal', seqLen: 16, format: 'line', seed: 1, out: dataset });
  const recipe = join(dir, 'recipe.yaml');
  writeFileSync(
    recipe,
    `model: { family: gpt, n_embd: 16, n_layer: 1, n_head: 2 }
optimizer: { lr: 0.001 }
training: { steps: 100000, batch_size: 4, validate_every: 100000, checkpoint_every: 100000 }
dataset: ${dataset}
vocab: ${vocab}
out: ${out}
`,
  );
  const child = spawn(process.execPath, [main, 'train', recipe, '--json', '--threads', '1'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  // Once: a second one stops without saving.
  let interrupted = false;
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk;
    if (!interrupted && errors.includes('"type":"step"')) interrupted = child.kill('SIGINT');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  t.is(code, 130, errors.slice(-2000));
  const [saved] = readdirSync(join(out, 'checkpoints'));
  t.true(saved !== undefined && existsSync(join(out, 'checkpoints', saved, 'manifest.json')));
  const step = Number(saved!.slice(5));
  const again = await millrace([
    'train',
    recipe,
    '--resume',
    'auto',
    '--max-steps',
    String(step + 2),
    '--threads',
    '1',
  ]);
  t.is(again.code, 0, again.stderr);
  t.regex(again.stdout, new RegExp(`step ${step + 2}`));
});
