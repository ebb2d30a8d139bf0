/**
 * A trained model and its dataset in, evaluation.json out: loss, perplexity and bits a byte of held-out rows.
 * After fine-tuning: its scores on the examples that it kept back, or on those of `data`.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../../atomic.ts';
import { MillraceError } from '../../errors.ts';
import type { Input, Stage } from '../stage.ts';

const schema = z.strictObject({
  batch_size: z.int().positive().default(16).describe('rows of a batch'),
  split: z.enum(['validation', 'test']).default('validation').describe('rows of the dataset'),
  data: z.array(z.string()).min(1).optional().describe('after fine-tuning: globs of examples to score on'),
});
type Config = z.output<typeof schema>;

export const evaluate: Stage<typeof schema> = {
  kind: 'evaluate',
  about: 'measures the model on held-out text',
  schema,
  needs: { train: { kinds: ['train', 'finetune'] }, dataset: { kinds: ['dataset'], optional: true } },
  code: ['train', 'model', 'graph', 'dataset', 'finetune', 'generate', 'metrics', 'native'],
  versions: ['onnxruntime-node'],
  async reads({ data }) {
    if (!data) return [];
    const { findFiles } = await import('../../corpus/files.ts');
    return findFiles(data);
  },
  async run({ config, inputs, out, signal, onProgress }) {
    const train = inputs.train!;
    const figures =
      train.kind === 'finetune'
        ? await scores(config, { run: train.dir, signal, onProgress })
        : await losses(config, { train, dataset: inputs.dataset, signal });
    await writeWhole(join(out, 'evaluation.json'), `${JSON.stringify(figures, null, 2)}\n`);
    return Object.fromEntries(Object.entries(figures).filter(([, value]) => typeof value === 'number'));
  },
};

async function scores(
  { data }: Config,
  at: { run: string; signal: AbortSignal | undefined; onProgress: Parameters<Stage['run']>[0]['onProgress'] },
): Promise<Record<string, unknown>> {
  if (data) {
    const { scoreFinetuned } = await import('../../finetune/score.ts');
    return scoreFinetuned({ ...at, files: data });
  }
  const text = await readFile(join(at.run, 'scores.json'), 'utf8').catch((cause: Error) => {
    throw new MillraceError('config', 'this fine-tuning has no scores', { hint: 'name examples with data', cause });
  });
  return JSON.parse(text) as Record<string, unknown>;
}

async function losses(
  { batch_size: batchSize, split, data }: Config,
  { train, dataset, signal }: { train: Input; dataset: Input | undefined; signal: AbortSignal | undefined },
): Promise<Record<string, number | undefined>> {
  if (data) {
    throw new MillraceError('config', 'data is for models that were fine-tuned', {
      hint: 'leave it out: the rows of the dataset are used',
    });
  }
  if (!dataset) {
    throw new MillraceError('config', 'there is no dataset to evaluate on', { hint: 'put a stage dataset above' });
  }
  const { evaluateRun } = await import('../../train/evaluate_run.ts');
  const { loss, losses, perplexity, bitsPerByte, accuracy, items } = await evaluateRun({
    run: train.dir,
    dataset: dataset.dir,
    split,
    batchSize,
    signal,
  });
  const terms = Object.entries(losses).map(([term, value]) => [`${term}Loss`, value]);
  const right = Object.entries(accuracy).map(([term, share]) => [`${term}Accuracy`, share]);
  const several = terms.length > 1 ? Object.fromEntries(terms) : {};
  return { validationLoss: loss, perplexity, bitsPerByte, ...several, ...Object.fromEntries(right), tokens: items };
}
