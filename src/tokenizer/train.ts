/** Text in, a vocabulary out: `tokenizer.json` in Hugging Face's format, and figures about the training. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { writeWhole } from '../atomic.ts';
import { MillraceError } from '../errors.ts';
import { runNative } from '../native.ts';
import { count, type WordSources } from './words.ts';

export const OBJECTIVES = ['likelihood-ratio', 'likelihood-gain', 'frequency'] as const;
/** Which pair is merged next: f(ab) / (f(a) f(b)), f(ab) log(N f(ab) / (f(a) f(b))), or f(ab). */
export type Objective = (typeof OBJECTIVES)[number];

/** What `trainVocab` takes. */
export interface TrainVocabOptions extends WordSources {
  kind: 'bpe' | 'wordpiece';
  /** A cap on all entries: special tokens, alphabet and merged tokens. Several sizes come from one run. */
  vocabSize: number | number[];
  /** Default `frequency` for BPE (as Hugging Face's trainer), `likelihood-ratio` for WordPiece. */
  objective?: Objective | undefined;
  /** BPE over bytes (default) or over the characters of the text. */
  alphabet?: 'bytes' | 'characters' | undefined;
  /** `gpt2`, `cl100k`, `o200k`, `llama3`, `bert`, `none`, or a regular expression. Default `gpt2`, for WordPiece `bert`. */
  split?: string | undefined;
  /** `none`, `bert`, `bert-cased`, or a list such as `nfkc,lowercase`. Default `none`, for WordPiece `bert`. */
  normalizer?: string | undefined;
  /** They get the first ids. Default `<|endoftext|>`, for WordPiece `[PAD] [UNK] [CLS] [SEP] [MASK]`. */
  specialTokens?: string[] | undefined;
  /** Pairs seen less often are not merged. Default 0; for `likelihood-ratio` the highest
   *  floor tried, from `firstFloor` down in steps of a quarter, that fills the vocabulary. */
  minFrequency?: number | undefined;
  /** Characters kept at most, the most frequent ones. */
  limitAlphabet?: number | undefined;
  /** A merged token of more than two symbols of the alphabet is shorter than this many. */
  maxTokenLength?: number | undefined;
  /** Folder for tokenizer.json; with several sizes, a folder `<size>` for each in it. */
  out: string;
}

/** Where the vocabulary lies, and figures about its training. */
export interface TrainedVocab {
  /** Path of the tokenizer.json, of the largest size where there are several. */
  path: string;
  /** All paths, smallest size first. */
  paths: string[];
  /** Entries, at most `vocabSize`. */
  size: number;
  alphabet: number;
  merges: number;
  minFrequency: number;
  /** Words counted, and how many of them differ. */
  words: number;
  distinctWords: number;
  bytes: number;
  seconds: number;
}

const BERT_TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

/**
 * Where the floor of the likelihood ratio starts: it prefers rare pairs, so without one it makes junk. By Zipf's law about
 * `words / (5 size)` is the count of the rarest pair that a vocabulary of that size needs; docs/vocabulary.md has figures.
 */
export const firstFloor = (words: number, size: number) => Math.max(2, Math.round(words / (5 * size)));

/**
 * Trains a vocabulary. The result is the same for the same words, whatever the order of the files and the number of threads.
 * Throws `config` where the alphabet alone exceeds the size, `input` for text that can't be read.
 *
 * @example
 * await trainVocab({ files: ['corpus/*.txt'], kind: 'bpe', vocabSize: 8000, out: 'vocab' });
 */
export async function trainVocab(options: TrainVocabOptions): Promise<TrainedVocab> {
  const started = performance.now();
  const plan = planVocab(options);
  const counter = await count(options, plan);
  const { words, distinctWords, bytes } = counter;
  if (distinctWords === 0) {
    throw new MillraceError('input', 'there is no word to train on', {
      hint: 'the text is empty, or all special tokens',
    });
  }
  const largest = plan.sizes.at(-1)!;
  const lower = plan.objective === 'likelihood-ratio' && options.minFrequency === undefined;
  const floor = lower ? firstFloor(words, largest) : (options.minFrequency ?? 0);
  const threads = options.threads ?? availableParallelism();
  const trained = await runNative((_, task) => counter.train(task, { ...plan, minFrequency: floor, lower, threads }), {
    ...options,
    phase: 'merge',
    unit: 'merges',
  });
  const { files, alphabet, sizes, merges, minFrequency } = trained;
  const least = plan.specialTokens.length + alphabet;
  if (plan.sizes[0]! < least) {
    throw new MillraceError('config', `a vocabulary of ${plan.sizes[0]} can't hold special tokens and alphabet`, {
      hint: `use a size of ${least} or more, or limit the alphabet`,
    });
  }
  const folders = plan.sizes.length > 1 ? plan.sizes.map(String) : ['.'];
  const paths = folders.map((folder) => resolve(options.out, folder, 'tokenizer.json'));
  for (const [i, path] of paths.entries()) await writeWhole(path, files[i]!);
  const seconds = (performance.now() - started) / 1000;
  const size = sizes.at(-1)!;
  return { path: paths.at(-1)!, paths, size, alphabet, merges, minFrequency, words, distinctWords, bytes, seconds };
}

/** Options with their defaults, checked. */
export function planVocab(options: Omit<TrainVocabOptions, 'out'>) {
  const wordpiece = options.kind === 'wordpiece';
  if (!wordpiece && options.kind !== 'bpe') {
    throw new MillraceError('config', `kind: bpe or wordpiece, not ${options.kind}`);
  }
  const specialTokens = options.specialTokens ?? (wordpiece ? BERT_TOKENS : ['<|endoftext|>']);
  const twice = specialTokens.find((token, i) => specialTokens.indexOf(token) < i);
  if (twice !== undefined) throw new MillraceError('config', `the special token ${twice} is named twice`);
  const objective = options.objective ?? (wordpiece ? 'likelihood-ratio' : 'frequency');
  if (!OBJECTIVES.includes(objective)) {
    throw new MillraceError('config', `objective: one of ${OBJECTIVES.join(', ')}, not ${objective}`);
  }
  const sizes = [...new Set([options.vocabSize].flat())].sort((a, b) => a - b);
  if (sizes.length === 0) throw new MillraceError('config', 'vocabSize: name a size');
  for (const size of sizes) whole(size, 'vocabSize', 1);
  if (options.minFrequency !== undefined) whole(options.minFrequency, 'minFrequency', 0);
  const model = wordpiece ? 'wordpiece' : options.alphabet === 'characters' ? 'chars' : 'byte-level';
  const unknown = specialTokens.find((token) => /^\W*unk\W*$/i.test(token));
  if (model === 'byte-level' && options.limitAlphabet !== undefined) {
    throw new MillraceError('config', 'limitAlphabet has no meaning for BPE over bytes: all 256 are kept');
  }
  return {
    model,
    objective,
    sizes,
    specialTokens,
    split: options.split ?? (wordpiece ? 'bert' : 'gpt2'),
    normalizer: options.normalizer ?? (wordpiece ? 'bert' : 'none'),
    ...(unknown === undefined ? {} : { unknown }),
    ...(options.limitAlphabet === undefined ? {} : { limitAlphabet: whole(options.limitAlphabet, 'limitAlphabet', 1) }),
    ...(options.maxTokenLength === undefined
      ? {}
      : { maxTokenLength: whole(options.maxTokenLength, 'maxTokenLength', 1) }),
  };
}

function whole(value: number, name: string, min: number): number {
  if (Number.isInteger(value) && value >= min && value < 2 ** 31) return value;
  throw new MillraceError('config', `${name}: must be a whole number from ${min} on, not ${value}`);
}
