/** A trained model in, a folder that other software loads out. */
import { z } from 'zod';
import type { Stage } from '../stage.ts';

const schema = z.strictObject({
  format: z
    .literal('hf')
    .default('hf')
    .describe('a Hugging Face folder: config.json, model.safetensors, tokenizer.json'),
});

export const exporting: Stage<typeof schema> = {
  kind: 'export',
  about: 'writes the model for others',
  schema,
  needs: { train: { kinds: ['train'] } },
  code: ['export', 'pretrained'],
  async run({ config, inputs, out, signal }) {
    const { exportModel } = await import('../../export/export.ts');
    const { format, files } = await exportModel({ checkpoint: inputs.train!.dir, out, format: config.format, signal });
    return { format, files: files.length };
  },
};
