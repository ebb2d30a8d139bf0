/** What the trainer's tests share: a tiny LLaMA, batches of a sequence it can learn, and temporary folders. */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { llama } from '../../src/model/index.ts';
import type { TrainEvent } from '../../src/train/events.ts';
import { loopSchema } from '../../src/train/recipe.ts';
import type { BatchSource, ProgramSource, TrainBatch } from '../../src/train/source.ts';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const folders: string[] = [];
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder that goes when the tests of this process have ended. */
export async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-train-'));
  folders.push(folder);
  return folder;
}

export const VOCAB = 48;
export const LENGTH = 16;

export function tinyModel({ dropout = 0 } = {}) {
  return llama({
    family: 'llama',
    vocab_size: VOCAB,
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: LENGTH,
    attention_dropout: dropout,
  });
}

export function tinyPrograms(options: { dropout?: number } = {}): ProgramSource {
  const model = tinyModel(options);
  const sizes = (shape: Record<string, number>) => ({ batchSize: shape.batchSize!, seqLen: shape.seqLen! });
  return {
    parameters: model.parameters,
    // As a CPU's run has it.
    training: (shape) => model.trainingProgram({ ...sizes(shape), native: true }),
    evaluation: (shape) => model.evaluationProgram(sizes(shape)),
  };
}

/** Rows of a linear recurrence, cut to unequal lengths by labels of -100. */
export function batchOf(index: number, rows = 4): TrainBatch {
  const input_ids = new Int32Array(rows * LENGTH);
  const labels = new Int32Array(rows * LENGTH);
  for (let row = 0; row < rows; row++) {
    let token = (index * 7919 + row * 104729) % VOCAB;
    for (let t = 0; t < LENGTH; t++) {
      input_ids[row * LENGTH + t] = token;
      token = (token * 5 + 3 + (t % 3)) % VOCAB;
      labels[row * LENGTH + t] = t < LENGTH - ((index + row * 3) % 9) ? token : -100;
    }
  }
  const shape = { batchSize: rows, seqLen: LENGTH };
  return { feeds: { input_ids, labels }, shape, tokens: rows * LENGTH, cursor: index + 1 };
}

export function tinyData({ rows = 4 } = {}): BatchSource {
  return {
    async *train(cursor) {
      for (let index = (cursor as number | undefined) ?? 0; ; index++) yield batchOf(index, rows);
    },
    async *validation() {
      for (let index = 0; index < 3; index++) yield batchOf(100_000 + index, rows);
    },
    tokenBytes: new Uint32Array(VOCAB).fill(3),
  };
}

export function tinyRecipe(training: Record<string, unknown> = {}, optimizer: Record<string, unknown> = {}) {
  return loopSchema.parse({
    optimizer: { lr: 3e-3, ...optimizer },
    schedule: { kind: 'cosine', warmup: 4 },
    training: { steps: 12, batch_size: 4, checkpoint_every: 3, validate_every: 6, ...training },
  });
}

export const readEvents = (path: string): TrainEvent[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as TrainEvent);
