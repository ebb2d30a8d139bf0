/** A trained model and its dataset in, evaluation.json out: loss, perplexity and bits a byte of the validation split. */
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../../atomic.ts';
import type { Stage } from '../stage.ts';

const schema = z.strictObject({
  batch_size: z.int().positive().default(16).describe('rows of a batch'),
});

export const evaluate: Stage<typeof schema> = {
  kind: 'evaluate',
  about: 'measures the model on held-out text',
  schema,
  needs: { train: { kinds: ['train'] }, dataset: { kinds: ['dataset'] } },
  code: ['train', 'model', 'graph', 'dataset', 'native'],
  async run({ config, inputs, out, signal }) {
    const { evaluateRun } = await import('../../train/evaluate_run.ts');
    const { loss, perplexity, bitsPerByte, items } = await evaluateRun({
      run: inputs.train!.dir,
      dataset: inputs.dataset!.dir,
      batchSize: config.batch_size,
      signal,
    });
    const figures = { validationLoss: loss, perplexity, bitsPerByte, tokens: items };
    await writeWhole(join(out, 'evaluation.json'), `${JSON.stringify(figures, null, 2)}\n`);
    return figures;
  },
};
