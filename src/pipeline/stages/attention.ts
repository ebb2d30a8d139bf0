/** A trained model and texts in, who looked at whom out: attention.json, which the report draws, and a picture of each text. */
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../../atomic.ts';
import type { AttentionWeights } from '../../generate/attention.ts';
import type { AttentionText } from '../../report/data.ts';
import type { Stage } from '../stage.ts';

const numbers = z.array(z.int().positive()).min(1).optional();

const schema = z.strictObject({
  texts: z
    .array(z.union([z.string(), z.tuple([z.string(), z.string()])]))
    .min(1)
    .describe('texts to read; a list of two is a pair'),
  layers: numbers.describe('counted from 1; all by default'),
  heads: numbers.describe('of each layer, counted from 1; all by default'),
});

export const attention: Stage<typeof schema> = {
  kind: 'attention',
  about: 'writes down which tokens look at which',
  schema,
  needs: { train: { kinds: ['train', 'finetune'] } },
  code: ['report', 'generate', 'pretrained', 'model', 'graph', 'native'],
  versions: ['onnxruntime-node'],
  async run({ config: { texts, layers, heads }, inputs, out }) {
    const [{ openWithTokenizer }, { attentionOf }, { readTexts }, { heatSvg }] = await Promise.all([
      import('../../generate/open.ts'),
      import('../../generate/attention.ts'),
      import('../../generate/read.ts'),
      import('../../report/heat.ts'),
    ]);
    const opened = await openWithTokenizer({ checkpoint: inputs.train!.dir });
    try {
      const rows = await readTexts(opened, texts);
      // One thread: sums in another order would change the last digits, and with them the result's hash.
      const found = await attentionOf(opened, { rows, layers, heads, threads: 1 });
      const all = found.map((maps, i) => ({ title: rows[i]!.title, maps: maps.map(plain) }));
      for (const [i, text] of all.entries()) await writeWhole(join(out, `text-${i + 1}.svg`), heatSvg(text));
      await writeWhole(join(out, 'attention.json'), `${JSON.stringify({ texts: all })}\n`);
      const drawn = found.flat().reduce((sum, map) => sum + map.heads.length, 0);
      return { texts: rows.map(({ title }) => title), maps: drawn };
    } finally {
      await opened.pretrained.weights.close();
    }
  },
};

/** Thousandths are as much as a picture shows. */
function plain({ name, queries, keys, heads }: AttentionWeights): AttentionText['maps'][number] {
  const round = (weights: Float32Array) => Array.from(weights, (weight) => Math.round(1000 * weight) / 1000);
  return { name, queries, keys, heads: heads.map((head) => ({ ...head, weights: round(head.weights) })) };
}
