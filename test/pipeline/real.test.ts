/** The real stages, small: text to an exported model, killed in each stage, touched in each place. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { loadPipeline } from '../../src/pipeline/load.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import { stages } from '../../src/pipeline/stages/index.ts';
import { readState } from '../../src/pipeline/state.ts';
import { main } from '../cli/run.ts';

/** Sentences by a small grammar: enough regularity to learn something from. */
function text(seed: number, lines: number): string {
  let state = seed;
  const pick = (words: string[]) => {
    state = (state * 48271) % 2147483647;
    return words[state % words.length]!;
  };
  const line = () =>
    `The ${pick(['old', 'white', 'great'])} ${pick(['whale', 'ship', 'captain'])} ${pick(['saw', 'chased', 'left'])} the ${pick(['sea', 'harbour', 'boat'])}.\n`;
  return Array.from({ length: lines }, line).join('');
}

async function place(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-real-'));
  for (let i = 1; i <= 8; i++) await writeFile(join(dir, `doc${i}.txt`), text(i, 40));
  await writeFile(
    join(dir, 'p.yaml'),
    `name: small
out: ${join(dir, 'run')}
stages:
  corpus: { files: ['${join(dir, 'doc*.txt')}'] }
  vocab: { vocab_size: 320 }
  dataset: { seq_len: 16, split: { train: 0.7, validation: 0.3 } }
  train:
    model: { family: llama, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 }
    optimizer: { lr: 0.01 }
    training: { steps: 30, batch_size: 8, validate_every: 15, checkpoint_every: 10 }
    threads: 1
  evaluate: { batch_size: 8 }
  sample: { prompts: ['The'], max_new_tokens: 8 }
  export:
  report:
`,
  );
  return dir;
}

const load = (dir: string, overrides: string[] = []) => loadPipeline(join(dir, 'p.yaml'), { stages, overrides });

async function run(dir: string, overrides: string[] = []): Promise<string> {
  const { stages: all } = await runPipeline(await load(dir, overrides));
  return all
    .filter(({ ran }) => ran)
    .map(({ stage }) => stage)
    .join(' ');
}

async function results(dir: string): Promise<Record<string, string>> {
  const { stages: all } = await readState(join(dir, 'run'));
  return Object.fromEntries(Object.entries(all).map(([name, { result }]) => [name, result]));
}

const ALL = 'corpus vocab dataset train evaluate sample export report';

test.serial('text to an exported model; then everything is fresh', async (t) => {
  const dir = await place();
  t.is(await run(dir), ALL);
  t.is(await run(dir), '');
  for (const path of [
    'vocab/tokenizer.json',
    'dataset/manifest.json',
    'checkpoints/step-000030/model.safetensors',
    'metrics.jsonl',
    'config.yaml',
    'export/config.json',
    'report.html',
    'pipeline.yaml',
  ]) {
    await t.notThrowsAsync(access(join(dir, 'run', path)), path);
  }
  const { validationLoss } = JSON.parse(await readFile(join(dir, 'run/evaluate/evaluation.json'), 'utf8')) as {
    validationLoss: number;
  };
  t.true(validationLoss < 0.8 * Math.log(320), `it learnt: ${validationLoss}`);

  const before = await results(dir);
  for (const [what, change, overrides, expected] of [
    ['a key of the sampler', undefined, ['stages.sample.max_new_tokens=9'], 'sample report'],
    ['a key of the optimizer', undefined, ['stages.train.optimizer.lr=0.02'], 'train evaluate sample export report'],
    ['a byte of the text', () => appendFile(join(dir, 'doc3.txt'), 'x'), [], ALL],
    ['the checkpoint is gone', () => rm(join(dir, 'run/checkpoints/step-000030'), { recursive: true }), [], 'train'],
  ] as [string, (() => Promise<void>) | undefined, string[], string][]) {
    await change?.();
    t.is(await run(dir, overrides), expected, what);
    t.is(await run(dir, overrides), '', what);
  }
  await writeFile(join(dir, 'doc3.txt'), text(3, 40));
  t.is(await run(dir), 'corpus vocab dataset train evaluate sample export report');
  const { report: _, ...again } = await results(dir);
  const { report: __, ...first } = before;
  t.deepEqual(again, first, 'the same cause, the same bytes');
});

test.serial('kill -9 in each stage, run again: the same result hashes', async (t) => {
  const dir = await place();
  await run(dir);
  const { report: _, ...expected } = await results(dir);
  for (const [stage, when] of [
    ['corpus', 'stage-start'],
    ['vocab', 'stage-start'],
    ['dataset', 'stage-start'],
    ['train', 'stage-start'],
    ['train', '"type":"checkpoint"'],
    ['train', '"step":25'],
    ['evaluate', 'stage-start'],
    ['sample', 'stage-start'],
    ['export', 'stage-start'],
    ['report', 'stage-start'],
  ] as const) {
    await rm(join(dir, 'run'), { recursive: true });
    const child = spawn(process.execPath, [main, 'run', join(dir, 'p.yaml'), '--json'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = once(child, 'exit');
    for await (const line of createInterface({ input: child.stderr })) {
      if (!line.includes(`"stage":"${stage}"`) || !line.includes(when)) continue;
      child.kill('SIGKILL');
      break;
    }
    const [, signal] = (await ended) as [number | null, string | null];
    t.is(signal, 'SIGKILL', `${stage} ${when}`);
    const left = Object.keys(await results(dir));
    t.false(left.includes(stage), `${stage} isn't recorded as done`);
    await run(dir);
    const { report: __, ...again } = await results(dir);
    t.deepEqual(again, expected, `${stage}, killed at ${when}`);
  }
});

test.serial('a folder that was moved is still fresh', async (t) => {
  const dir = await place();
  await run(dir);
  await cp(join(dir, 'run'), join(dir, 'moved'), { recursive: true, preserveTimestamps: true });
  const moved = await loadPipeline(join(dir, 'p.yaml'), { stages, overrides: [`out=${join(dir, 'moved')}`] });
  const { stages: all } = await runPipeline(moved);
  t.deepEqual(
    all.filter(({ ran }) => ran).map(({ stage }) => stage),
    [],
  );
});
