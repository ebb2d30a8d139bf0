/** A corpus in, its documents cleaned and without copies out: one JSONL file, and what was left out. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { runNative } from '../native.ts';
import type { Watch } from '../progress.ts';
import { type CorpusOptions, resolveCorpus } from './resolve.ts';

/** Cleaning, in this order; each stage is off where it isn't named. */
export interface CleanOptions {
  /** Canonical composition (Unicode normalisation form C). */
  nfc?: boolean | undefined;
  /** Runs of spaces become one, spaces at line ends and control characters go, at most one blank line stays. */
  whitespace?: boolean | undefined;
  /** Characters of a document. */
  minChars?: number | undefined;
  maxChars?: number | undefined;
  /** Shares of a document's characters. */
  minLetters?: number | undefined;
  maxDigits?: number | undefined;
  maxSymbols?: number | undefined;
  /** Leave out documents whose text has been seen before. */
  dedup?: boolean | undefined;
  /** Leave out documents whose word 5-grams are this similar (Jaccard, estimated by MinHash) to those of one before. */
  nearDedup?: number | undefined;
}

/** What `cleanCorpus` takes. */
export interface CleanCorpusOptions extends CorpusOptions, Watch {
  clean: CleanOptions;
  /** The JSONL file to write; its folder must be there. */
  out: string;
  threads?: number | undefined;
  /** Records that can't be read before the work stops. Default 0. */
  maxRejects?: number | undefined;
}

/** What came in, what was left, and why the rest was not. */
export interface Cleaned {
  documents: number;
  kept: number;
  /** Left out by the filters, as copies, and since they could not be read. */
  filtered: number;
  copies: number;
  rejected: number;
  /** Of the first field, before and after. */
  bytesIn: number;
  bytesOut: number;
  /** Fields of the file that was written: `text`, or `field0`, `field1` for the fields that were named. */
  fields: string[];
  /** Of the file. */
  bytes: number;
  sha256: string;
}

/**
 * The same bytes for any number of threads. Throws `input` where a record can't be read or nothing is left.
 *
 * @example
 * await cleanCorpus({ files: ['data/*.txt'], clean: { nfc: true, dedup: true }, out: 'clean.jsonl' });
 */
export async function cleanCorpus(options: CleanCorpusOptions): Promise<Cleaned> {
  const { files, field } = await resolveCorpus(options);
  const request = JSON.stringify({
    sources: files.map(({ path, format }) => ({ path, format })),
    fields: field === undefined ? [] : [field].flat(),
    clean: options.clean,
    out: resolve(options.out),
    threads: options.threads ?? availableParallelism(),
    maxRejects: options.maxRejects ?? 0,
  });
  const report = await runNative((native, task) => native.cleanCorpus(task, request), {
    ...options,
    phase: 'clean',
    unit: 'bytes',
  });
  return JSON.parse(report) as Cleaned;
}
