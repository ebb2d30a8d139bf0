/** A corpus and a vocabulary in, rows to train on out: Arrow shards and a manifest. */
import { z } from 'zod';
import type { Stage } from '../stage.ts';
import { asCorpusOptions, readCorpusList } from './corpus_list.ts';

const share = z.number().min(0).max(1);

const schema = z.strictObject({
  task: z.enum(['causal']).default('causal').describe('what a row is for'),
  seq_len: z.int().min(2).describe('tokens of a row'),
  pack: z.enum(['best-fit', 'concat', 'none']).default('best-fit').describe('how documents share rows'),
  split: z
    .strictObject({ train: share, validation: share.default(0), test: share.default(0) })
    .default({ train: 0.98, validation: 0.02, test: 0 })
    .describe('shares; a document goes where its hash falls'),
  seed: z.int().min(0).default(1),
});

export const dataset: Stage<typeof schema> = {
  kind: 'dataset',
  about: 'cuts text into rows of token ids',
  schema,
  needs: { corpus: { kinds: ['corpus', 'clean'] }, vocab: { kinds: ['vocab'] } },
  code: ['dataset', 'native'],
  async run({ config, inputs, out, signal, onProgress }) {
    const { buildDataset } = await import('../../dataset/build.ts');
    const { seq_len, ...rest } = config;
    const manifest = await buildDataset({
      ...asCorpusOptions(await readCorpusList(inputs.corpus!.dir)),
      ...rest,
      seqLen: seq_len,
      vocab: inputs.vocab!.dir,
      out,
      signal,
      onProgress,
    });
    const rows = Object.fromEntries(manifest.splits.map(({ name, rows }) => [`${name}Rows`, rows]));
    const { documents, tokens, textBytes } = manifest.statistics;
    return { task: config.task, documents, tokens, ...rows, bytesPerToken: textBytes / Math.max(1, tokens) };
  },
  async preview({ config }) {
    return [`${config.task}, ${config.seq_len} tokens a row, packing ${config.pack}`];
  },
};
