/** Text files in, a vocabulary out: `tokenizer.json` in Hugging Face's format, and figures about the training. */
import { resolve } from 'node:path';
import fastGlob from 'fast-glob';
import { writeWhole } from '../atomic.ts';
import { MillraceError } from '../errors.ts';
import { runNative } from '../native.ts';
import type { Watch } from '../progress.ts';

export interface TrainVocabOptions extends Watch {
  /** Paths and globs of UTF-8 text files. */
  files: string[];
  kind: 'bpe';
  /** A cap on all entries: special tokens, alphabet and merged tokens. */
  vocabSize: number;
  /** `gpt2` (default), `cl100k`, `o200k`, `llama3`, `bert`, `none`, or a regular expression. */
  split?: string | undefined;
  /** They get the first ids. Default `<|endoftext|>`. */
  specialTokens?: string[] | undefined;
  /** Pairs seen less often are not merged. Default 0, as in Hugging Face's trainer. */
  minFrequency?: number | undefined;
  /** Folder for tokenizer.json. */
  out: string;
}

export interface TrainedVocab {
  /** Path of the tokenizer.json. */
  path: string;
  /** Entries, at most `vocabSize`. */
  size: number;
  merges: number;
  /** Words counted, and how many of them differ. */
  words: number;
  distinctWords: number;
  bytes: number;
  seconds: number;
}

/** Paths and globs to sorted paths. Throws `input` for one that matches nothing. */
export async function findFiles(patterns: string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    const paths = fastGlob.isDynamicPattern(pattern) ? await fastGlob(pattern, { onlyFiles: true }) : [pattern];
    if (paths.length === 0) throw new MillraceError('input', `no file matches ${pattern}`);
    for (const path of paths) found.add(resolve(path));
  }
  return [...found].sort();
}

/**
 * Trains a vocabulary. The result is the same for the same words, whatever the order of the files.
 *
 * @example
 * await trainVocab({ files: ['corpus/*.txt'], kind: 'bpe', vocabSize: 8000, out: 'vocab' });
 */
export async function trainVocab(options: TrainVocabOptions): Promise<TrainedVocab> {
  const started = performance.now();
  const files = await findFiles(options.files);
  const { tokenizer, ...figures } = await runNative(
    (native, task) =>
      native.trainVocab(task, {
        files,
        split: options.split ?? 'gpt2',
        vocabSize: options.vocabSize,
        specialTokens: options.specialTokens ?? ['<|endoftext|>'],
        minFrequency: options.minFrequency ?? 0,
      }),
    { ...options, phase: 'vocabulary', unit: 'bytes' },
  );
  const path = resolve(options.out, 'tokenizer.json');
  await writeWhole(path, tokenizer);
  return { path, ...figures, seconds: (performance.now() - started) / 1000 };
}
