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

const chats = (answer: string) =>
  ['whale', 'ship', 'boat']
    .map((who) => {
      const messages = [
        { role: 'user', content: `the ${who}` },
        { role: 'assistant', content: answer },
      ];
      return `${JSON.stringify({ messages })}\n`;
    })
    .join('');

async function place(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-real-'));
  for (let i = 1; i <= 8; i++) await writeFile(join(dir, `doc${i}.txt`), text(i, 40));
  await writeFile(join(dir, 'chats.jsonl'), chats('the sea'));
  await writeFile(
    join(dir, 'p.yaml'),
    `name: small
out: ${join(dir, 'run')}
stages:
  corpus: { files: ['${join(dir, 'doc*.txt')}'] }
  clean: { nfc: true, dedup: true }
  vocab: { vocab_size: 320 }
  dataset: { seq_len: 16, split: { train: 0.7, validation: 0.3 } }
  train:
    model: { family: llama, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 128 }
    optimizer: { lr: 0.01 }
    training: { steps: 30, batch_size: 8, validate_every: 15, checkpoint_every: 10 }
    threads: 1
  evaluate: { batch_size: 8 }
  sample: { prompts: ['The'], max_new_tokens: 8 }
  attention: { texts: [The old whale] }
  finetune:
    task: chat
    data: { train: ['${join(dir, 'chats.jsonl')}'], validation_share: 0.3 }
    max_length: 128
    optimizer: { lr: 0.01 }
    training: { steps: 6, batch_size: 2, checkpoint_every: 2 }
    threads: 1
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

const BELOW_TRAIN = 'evaluate sample attention finetune export report';
const ALL = `corpus clean vocab dataset train ${BELOW_TRAIN}`;

/** What is done to the folder or set in the pipeline, one after the other and kept; the stages that must run then. */
const TOUCHES: [what: string, touch: ((dir: string) => Promise<void>) | string, expected: string][] = [
  ['nothing', async () => {}, ''],
  ['the title of the report', 'stages.report.title=Another', 'report'],
  ['the format of the export', 'stages.export.format=gguf', 'export report'],
  ['a byte of the examples', (dir) => writeFile(join(dir, 'chats.jsonl'), chats('the Sea')), 'finetune export report'],
  ['a key of the fine-tuning', 'stages.finetune.optimizer.lr=0.02', 'finetune export report'],
  ['a key of the attention', 'stages.attention.layers=[1]', 'attention'],
  ['a text of the attention', 'stages.attention.texts=[The white ship]', 'attention report'],
  ['a key of the sampler', 'stages.sample.max_new_tokens=9', 'sample report'],
  ['the seed of the sampler', 'stages.sample.seed=7', 'sample report'],
  ['a key of the optimizer', 'stages.train.optimizer.lr=0.02', `train ${BELOW_TRAIN}`],
  ['a key of the model', 'stages.train.model.intermediate_size=24', `train ${BELOW_TRAIN}`],
  ['the seed of the dataset', 'stages.dataset.seed=2', `dataset train ${BELOW_TRAIN}`],
  ['a key of the vocabulary', 'stages.vocab.vocab_size=270', `vocab dataset train ${BELOW_TRAIN}`],
  ['a cleaning that changes nothing here', 'stages.clean.max_chars=100000', 'clean'],
  ['a cleaning that does', 'stages.clean.whitespace=true', `clean vocab dataset train ${BELOW_TRAIN}`],
  ['a byte of the text', (dir) => appendFile(join(dir, 'doc3.txt'), 'x'), ALL],
  ['a byte that the cleaning takes away', (dir) => appendFile(join(dir, 'doc3.txt'), ' '), 'corpus clean report'],
  ['a file beside the corpus', (dir) => writeFile(join(dir, 'note.txt'), 'x'), ''],
  ['a checkpoint', (dir) => rm(join(dir, 'run/checkpoints/step-000030'), { recursive: true }), 'train'],
  ['a byte of the vocabulary', (dir) => appendFile(join(dir, 'run/vocab/tokenizer.json'), ' '), 'vocab'],
];

test.serial('text to an exported model; then exactly what was touched runs', async (t) => {
  const dir = await place();
  t.is(await run(dir), ALL);
  for (const path of [
    'clean/documents.jsonl',
    'vocab/tokenizer.json',
    'dataset/manifest.json',
    'checkpoints/step-000030/model.safetensors',
    'finetune/checkpoints/step-000006/model.safetensors',
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
  const overrides: string[] = [];
  for (const [what, touch, expected] of TOUCHES) {
    if (typeof touch === 'string') overrides.push(touch);
    else await touch(dir);
    t.is(await run(dir, overrides), expected, what);
    t.is(await run(dir, overrides), '', `${what}, once more`);
  }
  await writeFile(join(dir, 'chats.jsonl'), chats('the sea'));
  await writeFile(join(dir, 'doc3.txt'), text(3, 40));
  t.is(await run(dir), ALL);
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
    ['clean', 'stage-start'],
    ['vocab', 'stage-start'],
    ['dataset', 'stage-start'],
    ['train', 'stage-start'],
    ['train', '"type":"checkpoint"'],
    ['train', '"step":25'],
    ['evaluate', 'stage-start'],
    ['sample', 'stage-start'],
    ['attention', 'stage-start'],
    ['finetune', 'stage-start'],
    ['finetune', '"type":"checkpoint"'],
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
