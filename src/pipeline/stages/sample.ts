/** A trained model and prompts in, samples.json out. */
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../../atomic.ts';
import type { Stage } from '../stage.ts';

const schema = z.strictObject({
  prompts: z.array(z.string()).min(1).describe('texts to continue'),
  max_new_tokens: z.int().positive().default(64),
  temperature: z.number().min(0).default(0.8).describe('0: always the likeliest token'),
  top_k: z.int().positive().optional().describe('choose among the k likeliest'),
  top_p: z.number().gt(0).max(1).optional().describe('choose among the likeliest that make up this share'),
  seed: z.int().min(0).default(1),
});

export const sample: Stage<typeof schema> = {
  kind: 'sample',
  about: 'lets the model write',
  schema,
  needs: { train: { kinds: ['train', 'finetune'] } },
  code: ['generate', 'pretrained', 'model', 'graph', 'native'],
  async run({ config, inputs, out, signal }) {
    const { sample } = await import('../../generate/sample.ts');
    const { prompts, max_new_tokens: maxNewTokens, temperature, top_k: topK, top_p: topP, seed } = config;
    const { continuations } = await sample({
      checkpoint: inputs.train!.dir,
      prompt: prompts,
      maxNewTokens,
      temperature,
      topK,
      topP,
      seed,
      signal,
    });
    const samples = continuations.map(({ prompt, text }) => ({ prompt, text }));
    await writeWhole(join(out, 'samples.json'), `${JSON.stringify({ samples }, null, 2)}\n`);
    return { samples };
  },
};
