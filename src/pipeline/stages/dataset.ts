/** A corpus and a vocabulary in, rows to train on out: Arrow shards and a manifest. */
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../../atomic.ts';
import { TASKS, type TaskOptions } from '../../dataset/task.ts';
import { MillraceError } from '../../errors.ts';
import type { Stage } from '../stage.ts';
import { camel } from './camel.ts';
import { cleaning, cleanOptions } from './clean.ts';
import { asCorpusOptions, readCorpusList, TEXT } from './corpus_list.ts';

const share = z.number().min(0).max(1);

const schema = z.strictObject({
  task: z.enum(TASKS).default('causal').describe('what a row is for'),
  seq_len: z.int().min(2).describe('tokens of a row'),
  pack: z.enum(['best-fit', 'concat', 'none']).optional().describe('how documents share rows (default: best-fit)'),
  masking: z
    .enum(['dynamic', 'static'])
    .optional()
    .describe('masks drawn afresh in each epoch, or stored (default: dynamic; nsp and sop: static)'),
  probability: z.number().gt(0).lt(1).optional().describe('share of tokens that is masked (default: 0.15)'),
  max_predictions: z.int().positive().optional().describe('masked tokens of a row at most'),
  whole_word: z.boolean().optional().describe('mask whole words'),
  ngram: z.int().positive().optional().describe('mask runs of up to so many words'),
  short_probability: share.optional().describe('nsp, sop: share of documents whose pairs are shorter than a row'),
  dupe_factor: z.int().positive().optional().describe('nsp, sop: passes over each document, with other pairs'),
  sentences: z.enum(['text', 'lines']).optional().describe('nsp, sop: found in running text, or every line is one'),
  density: z.number().gt(0).lt(1).optional().describe('span: share of the tokens hidden'),
  mean_length: z.number().positive().optional().describe('span: tokens of a hidden span on average'),
  target_len: z.int().min(2).optional().describe('seq2seq: tokens of a target (default: seq_len)'),
  start: z.enum(['bos', 'pad', 'eos']).optional().describe("seq2seq: the decoder's first token"),
  classes: z.array(z.string()).optional().describe('classify: names in the order of their numbers'),
  pair: z.boolean().optional().describe('classify: two texts a row'),
  split: z
    .strictObject({ train: share, validation: share.default(0), test: share.default(0) })
    .default({ train: 0.98, validation: 0.02, test: 0 })
    .describe('shares; a document goes where its hash falls'),
  clean: z.strictObject(cleaning).optional().describe('changes or leaves out documents before they are cut'),
  max_rejects: z.int().min(0).default(0).describe('records that may be refused before the stage fails'),
  partition_bytes: z.int().positive().optional().describe('bytes of text that become one shard (default: 32 MiB)'),
  seed: z.int().min(0).default(1),
});
type Config = z.output<typeof schema>;

const MASKING = ['masking', 'probability', 'max_predictions', 'whole_word', 'ngram'] as const;
const PAIRS = [...MASKING, 'short_probability', 'dupe_factor', 'sentences'] as const;
/** The keys that each task takes besides those of all. */
const KEYS: Record<Config['task'], readonly (keyof Config)[]> = {
  causal: ['pack'],
  mlm: ['pack', ...MASKING],
  nsp: PAIRS,
  sop: PAIRS,
  span: ['density', 'mean_length', 'masking'],
  seq2seq: ['target_len', 'start'],
  classify: ['classes', 'pair'],
  chat: ['pack'],
};
const SPECIFIC = [...new Set(Object.values(KEYS).flat())];

/** The task as the dataset room takes it. Throws `config` for a key that another task has. */
function taskOf(config: Config): TaskOptions {
  const known = KEYS[config.task];
  const given = SPECIFIC.filter((key) => config[key] !== undefined);
  const wrong = given.find((key) => !known.includes(key));
  if (wrong) {
    throw new MillraceError('config', `a dataset of the task ${config.task} has no key '${wrong}'`, {
      hint: `its own keys: ${known.join(', ')}`,
    });
  }
  return { kind: config.task, ...camel(Object.fromEntries(given.map((key) => [key, config[key]]))) } as TaskOptions;
}

/** A few rows as text, for the report. */
async function preview({ dir, vocab }: { dir: string; vocab: string }): Promise<string> {
  const { showDataset } = await import('../../dataset/show.ts');
  const { data } = await showDataset({ dir, vocab, split: 'train', rows: 4 });
  return `${JSON.stringify({ rows: data.rows }, undefined, 1)}\n`;
}

export const dataset: Stage<typeof schema> = {
  kind: 'dataset',
  about: 'cuts text into rows of token ids',
  schema,
  needs: { corpus: { kinds: TEXT }, vocab: { kinds: ['vocab'] } },
  code: ['dataset', 'native'],
  async run({ config, inputs, out, elsewhere, signal, onProgress }) {
    const task = taskOf(config);
    const { buildDataset } = elsewhere ?? (await import('../../dataset/build.ts'));
    const corpus = await readCorpusList(inputs.corpus!.dir);
    const manifest = await buildDataset({
      ...asCorpusOptions(corpus),
      inputs: corpus.files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })),
      partitionBytes: config.partition_bytes,
      task,
      seqLen: config.seq_len,
      split: config.split,
      seed: config.seed,
      clean: config.clean && cleanOptions(config.clean),
      maxRejects: config.max_rejects,
      vocab: inputs.vocab!.dir,
      out,
      signal,
      onProgress,
    });
    await writeWhole(join(out, 'preview.json'), await preview({ dir: out, vocab: inputs.vocab!.dir }));
    const rows = Object.fromEntries(manifest.splits.map(({ name, rows }) => [`${name}Rows`, rows]));
    const { documents, tokens, textBytes } = manifest.statistics;
    return { task: config.task, documents, tokens, ...rows, bytesPerToken: textBytes / Math.max(1, tokens) };
  },
  async preview({ config }) {
    const { kind, ...own } = taskOf(config);
    const keys = Object.entries(own).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
    return [[`${kind}, ${config.seq_len} tokens a row`, ...keys].join(', ')];
  },
};
