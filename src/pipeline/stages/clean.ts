/** A corpus in, its documents cleaned and without copies out: documents.jsonl, and figures on what was left out. */
import { join } from 'node:path';
import { z } from 'zod';
import { writeWhole } from '../../atomic.ts';
import type { CleanOptions } from '../../corpus/clean.ts';
import type { Stage } from '../stage.ts';
import { camel } from './camel.ts';
import { asCorpusOptions, type CorpusList, readCorpusList, TEXT } from './corpus_list.ts';

const share = z.number().min(0).max(1);

/** The keys of this stage, and of `clean` in a dataset. */
export const cleaning = {
  nfc: z.boolean().optional().describe('canonical composition of Unicode'),
  whitespace: z.boolean().optional().describe('runs of spaces become one; control characters go'),
  min_chars: z.int().min(0).optional().describe('of a document'),
  max_chars: z.int().positive().optional(),
  min_letters: share.optional().describe('share of the characters'),
  max_digits: share.optional(),
  max_symbols: share.optional(),
  dedup: z.boolean().optional().describe('leave out documents seen before'),
  near_dedup: share.optional().describe('and those this similar to one before (Jaccard of word 5-grams)'),
};

export const cleanOptions = (keys: Record<string, unknown>): CleanOptions => camel(keys) as CleanOptions;

const schema = z.strictObject({
  ...cleaning,
  max_rejects: z.int().min(0).default(0).describe('records that can’t be read before the stage fails'),
});

export const clean: Stage<typeof schema> = {
  kind: 'clean',
  about: 'changes or leaves out documents',
  schema,
  needs: { corpus: { kinds: TEXT } },
  code: ['corpus', 'native'],
  async run({ config: { max_rejects: maxRejects, ...keys }, inputs, out, signal, onProgress }) {
    const { cleanCorpus } = await import('../../corpus/clean.ts');
    const before = await readCorpusList(inputs.corpus!.dir);
    const { fields, bytes, sha256, ...figures } = await cleanCorpus({
      ...asCorpusOptions(before),
      clean: cleanOptions(keys),
      out: join(out, 'documents.jsonl'),
      maxRejects,
      signal,
      onProgress,
    });
    const list: CorpusList = {
      name: before.name,
      licence: before.licence,
      field: fields.length === 1 ? fields[0] : fields,
      files: [{ path: 'documents.jsonl', own: true, bytes, sha256, format: 'jsonl' }],
    };
    await writeWhole(join(out, 'corpus.json'), `${JSON.stringify(list, undefined, 1)}\n`);
    return { ...figures };
  },
  async preview({ config: { max_rejects: _, ...keys } }) {
    const named = Object.entries(keys).map(([key, value]) => (value === true ? key : `${key} ${value}`));
    return [named.length === 0 ? 'nothing to clean' : named.join(', ')];
  },
};
