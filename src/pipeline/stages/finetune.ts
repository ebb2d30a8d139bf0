/** A trained model (of this pipeline, or a folder) and labelled examples in, the model trained further and its scores out. */
import { join } from 'node:path';
import { z } from 'zod';
import { MillraceError } from '../../errors.ts';
import { finetuneSchema } from '../../finetune/recipe.ts';
import type { Stage } from '../stage.ts';

/** The recipe's own schema (src/finetune/recipe.ts) says what the keys mean. */
const schema = finetuneSchema.omit({ out: true }).extend({
  checkpoint: z.string().optional().describe('a run, a checkpoint or a Hugging Face folder (default: the stage above)'),
  threads: z.int().positive().optional().describe('all cores by default'),
});

export const finetuning: Stage<typeof schema> = {
  kind: 'finetune',
  about: 'trains a model further: classes, answers, translations',
  schema,
  needs: { base: { kinds: ['train', 'finetune'], optional: true } },
  code: ['finetune', 'train', 'model', 'graph', 'generate', 'pretrained', 'native'],
  versions: ['onnxruntime-node'],
  resumes: true,
  deterministic: (path) => !/metrics\.jsonl$|events\.out|state\.json$|manifest\.json$/.test(path),
  async reads({ data, checkpoint }) {
    const { default: glob } = await import('fast-glob');
    const weights = checkpoint === undefined ? [] : [`${checkpoint}/**/*.{safetensors,json}`];
    return (await glob([...data.train, ...(data.validation ?? []), ...weights])).sort();
  },
  async run({ config, inputs, out, onEvent, signal, onProgress }) {
    const { threads, checkpoint = inputs.base?.dir, ...recipe } = config;
    if (checkpoint === undefined) throw nothingToTrain();
    const { finetune } = await import('../../finetune/finetune.ts');
    const { step, loss, validationLoss, parameters, trained, scores } = await finetune({
      recipe: { ...recipe, checkpoint, out },
      resume: 'auto',
      threads,
      onEvent: (event) => onEvent({ ...event }),
      signal,
      onProgress,
    });
    const figures = Object.entries(scores ?? {}).filter(([, value]) => typeof value === 'number');
    const summary = { ...Object.fromEntries(figures), steps: step, loss, validationLoss, trained, parameters };
    return { ...summary, checkpoints: join(out, 'checkpoints') };
  },
  async preview({ config, inputs }) {
    if (config.checkpoint === undefined && !inputs.base) throw nothingToTrain();
    const from = config.checkpoint ?? 'the model above';
    return [`${config.task}: ${config.update === 'all' ? 'every weight' : config.update} of ${from} learns`];
  },
};

const nothingToTrain = () =>
  new MillraceError('config', 'there is no model to train further', {
    hint: 'give checkpoint, or put a stage of kind train above',
  });
