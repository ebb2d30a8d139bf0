/** A trained model in, a folder that other software loads out. */
import { z } from 'zod';
import type { Stage } from '../stage.ts';

const schema = z.strictObject({
  format: z
    .enum(['hf', 'onnx', 'gguf'])
    .default('hf')
    .describe('a Hugging Face folder (config.json, model.safetensors, tokenizer.json), ONNX graphs, or one GGUF file'),
});

export const exporting: Stage<typeof schema> = {
  kind: 'export',
  about: 'writes the model for others',
  schema,
  needs: { train: { kinds: ['train', 'finetune'] } },
  code: ['export', 'pretrained', 'model', 'graph'],
  async run({ config, inputs, out, signal }) {
    const { exportModel } = await import('../../export/export.ts');
    const { format, files } = await exportModel({ checkpoint: inputs.train!.dir, out, format: config.format, signal });
    return { format, files: files.length };
  },
};
