/** A dataset in, a trained model out: checkpoints, metrics.jsonl, config and tokenizer. A killed run goes on. */
import { join } from 'node:path';
import { z } from 'zod';
/** The recipe's own schema (src/train/recipe.ts, src/train/train.ts) says what the keys mean. */
import { recipeSchema } from '../../train/train.ts';
import type { Stage } from '../stage.ts';

const schema = recipeSchema.extend({
  threads: z
    .int()
    .positive()
    .optional()
    .describe('all cores by default; results are bit-identical for one number only'),
});

export const train: Stage<typeof schema> = {
  kind: 'train',
  about: 'trains the model',
  schema,
  needs: { dataset: { kinds: ['dataset'] }, vocab: { kinds: ['vocab'] } },
  code: ['train', 'model', 'graph', 'dataset', 'native'],
  versions: ['onnxruntime-node'],
  resumes: true,
  entries: ['checkpoints', 'config.yaml', 'config.json', 'tokenizer.json', 'metrics.jsonl', 'events.out.tfevents.*'],
  deterministic: (path) => !/metrics\.jsonl$|events\.out|state\.json$|manifest\.json$/.test(path),
  async run({ config, inputs, out, onEvent, signal, onProgress }) {
    const [{ train }, { sampleDuringTraining }] = await Promise.all([
      import('../../train/train.ts'),
      import('../../generate/during_training.ts'),
    ]);
    const { threads, ...recipe } = config;
    const { step, loss, validationLoss, parameters } = await train({
      recipe,
      dataset: inputs.dataset!.dir,
      vocab: inputs.vocab!.dir,
      out,
      threads,
      resume: 'auto',
      sample: await sampleDuringTraining({ vocab: inputs.vocab!.dir }),
      onEvent: (event) => onEvent({ ...event }),
      signal,
      onProgress,
    });
    return { steps: step, parameters, loss, validationLoss, checkpoints: join(out, 'checkpoints') };
  },
};
