/** A corpus in, a vocabulary out: tokenizer.json as Hugging Face's tokenizers reads it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MillraceError } from '../../errors.ts';
import type { Stage } from '../stage.ts';
import { asCorpusOptions, readCorpusList, TEXT } from './corpus_list.ts';

const schema = z.strictObject({
  kind: z.enum(['bpe', 'wordpiece']).default('bpe'),
  objective: z
    .enum(['likelihood-ratio', 'likelihood-gain', 'frequency'])
    .optional()
    .describe('which pair is merged next (default: frequency for BPE, likelihood-ratio for WordPiece)'),
  vocab_size: z.int().min(2).describe('entries at most; special tokens and the alphabet count'),
  split: z
    .string()
    .optional()
    .describe('gpt2, cl100k, o200k, llama3, bert or a regular expression (default: gpt2 for BPE, bert for WordPiece)'),
  normalizer: z
    .string()
    .optional()
    .describe('none, bert, bert-cased, or a list such as nfkc,lowercase (default: none, for WordPiece bert)'),
  limit_alphabet: z.int().min(1).optional().describe('characters kept at most, the most frequent ones'),
  max_token_length: z.int().min(1).optional().describe('tokens are shorter, in symbols of the alphabet'),
  special_tokens: z.array(z.string()).optional().describe('they get the first ids'),
  min_frequency: z.int().min(0).optional().describe('pairs seen less often are not merged'),
});

export const vocab: Stage<typeof schema> = {
  kind: 'vocab',
  about: 'trains a vocabulary',
  schema,
  needs: { corpus: { kinds: TEXT } },
  code: ['tokenizer', 'native'],
  deterministic: (path) => path.endsWith('tokenizer.json'),
  async run({ config, inputs, out, elsewhere, signal, onProgress }) {
    const { trainVocab } = elsewhere ?? (await import('../../tokenizer/train.ts'));
    const corpus = asCorpusOptions(await readCorpusList(inputs.corpus!.dir));
    const {
      path: _,
      paths: __,
      seconds: ___,
      ...figures
    } = await trainVocab({
      ...corpus,
      kind: config.kind,
      objective: config.objective,
      vocabSize: config.vocab_size,
      split: config.split,
      normalizer: config.normalizer,
      limitAlphabet: config.limit_alphabet,
      maxTokenLength: config.max_token_length,
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
