/** Texts, files and counts files in, words with their counts out, inside the native module. */
import { availableParallelism } from 'node:os';
import type { WordCounter } from '#native';
import { findFiles } from '../corpus/files.ts';
import { type Format, formatOf } from '../corpus/format.ts';
import { resolveCorpus } from '../corpus/resolve.ts';
import { MillraceError } from '../errors.ts';
import { callNative, runNative } from '../native.ts';
import type { Watch } from '../progress.ts';

/** Where words come from; the sources are added up. */
export interface WordSources extends Watch {
  /** Paths and globs, or one corpus manifest (`*.yaml`). Plain text is split line by line, records by their texts. */
  files?: string[] | undefined;
  /** How to take the files apart; by their extension where it is left out. */
  format?: Format | undefined;
  /** Field or fields of JSONL, TSV, Parquet and Arrow. Default `text`, in TSV `0`. */
  field?: string | string[] | undefined;
  /** Each is split by itself. */
  texts?: Iterable<string> | AsyncIterable<string> | undefined;
  /** Paths and globs of counts files, made by `countWords` with the same split and normalizer. */
  counts?: string[] | undefined;
  /** Default: all cores. */
  threads?: number | undefined;
}

/** How text becomes words. */
export interface WordOptions {
  /** `gpt2`, `cl100k`, `o200k`, `llama3`, `bert`, `none`, or a regular expression. */
  split: string;
  /** `none`, `bert`, `bert-cased`, or a list such as `nfkc,lowercase`. */
  normalizer: string;
  /** Cut out of the text and not counted. */
  specialTokens: string[];
}

const BATCH = 4 << 20;

/** Counts the words of all sources. Throws `input` where there are none, naming the file and line of one that can't be read. */
export async function count(sources: WordSources, options: WordOptions): Promise<WordCounter> {
  const { files = [], counts = [], texts } = sources;
  if (files.length === 0 && counts.length === 0 && texts === undefined) {
    throw new MillraceError('config', 'there is nothing to count', { hint: 'name files, texts or counts' });
  }
  const threads = sources.threads ?? availableParallelism();
  const watch = { ...sources, phase: 'count', unit: 'bytes' as const };
  const counter = callNative((native) => new native.WordCounter(options));
  if (counts.length > 0) {
    const found = await findFiles(counts);
    await runNative((_, task) => counter.addCounts(task, found), watch);
  }
  if (files.length > 0) await countFiles(counter, sources, threads);
  if (texts !== undefined) {
    for await (const batch of batches(texts)) {
      await runNative((_, task) => counter.countTexts(task, batch, threads), { signal: sources.signal, ...QUIET });
      sources.onProgress?.({ phase: 'count', done: counter.bytes, total: 0, unit: 'bytes' });
    }
  }
  return counter;
}

const QUIET = { phase: 'count', unit: 'bytes' as const };

async function countFiles(counter: WordCounter, sources: WordSources, threads: number): Promise<void> {
  const watch = { ...sources, phase: 'count', unit: 'bytes' as const };
  const { plain, records } = await sortSources(sources);
  if (plain.length > 0) await runNative((_, task) => counter.countFiles(task, plain, threads), watch);
  for (const [field, group] of records) {
    const [paths, formats] = [group.map(({ path }) => path), group.map(({ format }) => format)];
    const fields = field.split('\n');
    await runNative((_, task) => counter.countRecords(task, paths, formats, fields, threads), watch);
  }
}

interface Source {
  path: string;
  format: Format;
}

const TEXT = new Set<Format>(['file', 'line', 'paragraph']);

/** Plain text apart from records, and these by the fields that are read. `paths`: those found already. */
export async function sortSources(
  sources: WordSources,
  paths?: string[],
): Promise<{ plain: string[]; records: Map<string, Source[]> }> {
  const { files = [], format } = sources;
  const manifest = paths === undefined && files.some((file) => /\.ya?ml$/.test(file));
  const corpus = manifest ? await resolveCorpus({ files, format, field: sources.field }) : undefined;
  const found: Source[] = corpus
    ? corpus.files
    : (paths ?? (await findFiles(files))).map((path) => ({ path, format: format ?? known(path) }));
  const field = corpus?.field ?? sources.field;
  const plain: string[] = [];
  const records = new Map<string, Source[]>();
  for (const { path, format } of found) {
    const packed = /\.(gz|zst)$/.test(path);
    if (TEXT.has(format) && !packed) {
      plain.push(path);
      continue;
    }
    const names = [field ?? (format === 'tsv' ? '0' : 'text')].flat().join('\n');
    const group = records.get(names) ?? [];
    // A compressed text of any size is read paragraph by paragraph.
    group.push({ path, format: format === 'file' ? 'paragraph' : format });
    records.set(names, group);
  }
  return { plain, records };
}

/** What has no extension that is known is text. */
function known(path: string): Format {
  try {
    return formatOf(path);
  } catch {
    return 'file';
  }
}

async function* batches(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = [];
  let size = 0;
  for await (const text of texts) {
    if (typeof text !== 'string') throw new MillraceError('input', `texts must be strings, not ${typeof text}`);
    batch.push(text);
    size += text.length;
    if (size < BATCH) continue;
    yield batch;
    [batch, size] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

export interface CountWordsOptions extends WordSources {
  /** Default `gpt2`. */
  split?: string | undefined;
  /** Default `none`. */
  normalizer?: string | undefined;
  /** Default none. */
  specialTokens?: string[] | undefined;
  /** The counts file to write. */
  out: string;
}

export interface CountedWords {
  path: string;
  words: number;
  distinctWords: number;
  bytes: number;
}

/**
 * Counts words into a counts file, for `trainVocab({ counts })`; counts of several machines are added up there.
 *
 * @example
 * await countWords({ files: ['part-1/*.txt'], out: 'part-1.counts' });
 */
export async function countWords(options: CountWordsOptions): Promise<CountedWords> {
  const { split = 'gpt2', normalizer = 'none', specialTokens = [] } = options;
  const counter = await count(options, { split, normalizer, specialTokens });
  await runNative(() => counter.writeCounts(options.out), { signal: options.signal, phase: 'write', unit: 'bytes' });
  const { words, distinctWords, bytes } = counter;
  return { path: options.out, words, distinctWords, bytes };
}
