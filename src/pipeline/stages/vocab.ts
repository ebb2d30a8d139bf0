/** A corpus in, a vocabulary out: tokenizer.json as Hugging Face's tokenizers reads it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MillraceError } from '../../errors.ts';
import type { Stage } from '../stage.ts';
import { asCorpusOptions, readCorpusList } from './corpus_list.ts';

const schema = z.strictObject({
  kind: z.enum(['bpe', 'wordpiece']).default('bpe'),
  vocab_size: z.int().min(2).describe('entries at most; special tokens and the alphabet count'),
  split: z
    .string()
    .optional()
    .describe('gpt2, cl100k, o200k, llama3, bert or a regular expression (default: gpt2 for BPE, bert for WordPiece)'),
  special_tokens: z.array(z.string()).optional().describe('they get the first ids'),
  min_frequency: z.int().min(0).optional().describe('pairs seen less often are not merged'),
});

export const vocab: Stage<typeof schema> = {
  kind: 'vocab',
  about: 'trains a vocabulary',
  schema,
  needs: { corpus: { kinds: ['corpus', 'pairs'] } },
  code: ['tokenizer', 'native'],
  deterministic: (path) => path.endsWith('tokenizer.json'),
  async run({ config, inputs, out, signal, onProgress }) {
    const { trainVocab } = await import('../../tokenizer/train.ts');
    const { files } = asCorpusOptions(await readCorpusList(inputs.corpus!.dir));
    const {
      path: _,
      seconds: __,
      ...figures
    } = await trainVocab({
      files,
      kind: config.kind as 'bpe',
      vocabSize: config.vocab_size,
      split: config.split,
      specialTokens: config.special_tokens,
      minFrequency: config.min_frequency,
      out,
      signal,
      onProgress,
    });
    const { model } = JSON.parse(await readFile(join(out, 'tokenizer.json'), 'utf8')) as { model: { type: string } };
    if (model.type.toLowerCase() !== config.kind) {
      throw new MillraceError('config', `a vocabulary of the kind ${config.kind} can't be trained by this version`, {
        hint: 'use kind: bpe',
      });
    }
    return { kind: config.kind, ...figures };
  },
  async preview({ config }) {
    return [`${config.kind}, at most ${config.vocab_size.toLocaleString('en-GB')} entries`];
  },
};
