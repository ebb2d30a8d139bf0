/** What a user asks for in, plans for stages out: the text of one JSON file each, which all processes of a job are given. */
import { open, stat } from 'node:fs/promises';
import { type Format, formatOf } from '../corpus/format.ts';
import { type Corpus, resolveCorpus } from '../corpus/resolve.ts';
import { type BuildDatasetOptions, toRequest } from '../dataset/build.ts';
import { callNative } from '../native.ts';
import { sortSources, type WordOptions, type WordSources } from '../tokenizer/words.ts';
import type { Listed } from './corpus.ts';

/** A file of the corpus as the plan names it. */
export interface SizedSource {
  /** As the manifest names it; a URI where it lies elsewhere. */
  path: string;
  format: Format;
  /** On disk. */
  bytes: number;
  /** Bytes behind its last newline. */
  openEnded?: number;
}

export interface StagePlan {
  format: 'millrace-stage-plan';
  code: string;
  sources: SizedSource[];
  partitionBytes: number;
  count: (WordOptions & { lines: boolean; fields: string[] }) | null;
  dataset: Record<string, unknown> | null;
  tokenizer: string | null;
}

/** What one process reads: consecutive files, or a part of one file. Indices into `sources`; ends are not included. */
export interface Portion {
  files: { start: number; end: number };
  bytes: { start: number; end: number } | null;
}

/** A plan, and the portions that its stages are run on, one by one. */
export interface PlannedStages {
  text: string;
  /** SHA-256 of the text. */
  hash: string;
  plan: StagePlan;
  portions: Portion[];
}

export const PARTITION_BYTES = 32 << 20;

export function planned(text: string): PlannedStages {
  const { hash, portions } = callNative((native) => native.stagePortions(text));
  return { text, hash, plan: JSON.parse(text) as StagePlan, portions: JSON.parse(portions) as Portion[] };
}

/** The plan for a dataset. Its parts come out as those of `buildDataset`. */
export async function planDatasetStages(options: BuildDatasetOptions, corpus?: Corpus): Promise<PlannedStages> {
  const found = corpus ?? (await resolveCorpus(options));
  const request = JSON.parse(await toRequest(options, found)) as { sources: { path: string; format: Format }[] };
  const sources = request.sources.map((source, i) => ({ ...source, bytes: found.files[i]!.bytes }));
  return planned(callNative((native) => native.planStages(JSON.stringify({ dataset: request, sources }))));
}

/** The plans for counting words: one for plain text, and one for each set of fields that is read of records. */
export async function planCountStages(
  sources: WordSources,
  options: WordOptions & { partitionBytes?: number },
  listed?: Listed[],
): Promise<PlannedStages[]> {
  const { partitionBytes = PARTITION_BYTES, ...how } = options;
  const known = new Map(listed?.map((file) => [file.path, file]));
  const { plain, records } = await sortSources(sources, listed && [...known.keys()]);
  const groups: { lines: boolean; fields: string[]; files: { path: string; format: Format }[] }[] = [];
  if (plain.length > 0)
    groups.push({ lines: true, fields: [], files: plain.map((path) => ({ path, format: 'line' })) });
  for (const [field, files] of records) groups.push({ lines: false, fields: field.split('\n'), files });
  const plans: PlannedStages[] = [];
  for (const { lines, fields, files } of groups) {
    const sized: SizedSource[] = [];
    for (const { path, format } of files) {
      const { bytes, openEnded } = known.get(path) ?? (await look(path, lines));
      sized.push({ path, format, bytes, openEnded: lines ? openEnded : 0 });
    }
    const plan: StagePlan = {
      format: 'millrace-stage-plan',
      code: callNative((native) => native.codeVersion()),
      sources: sized,
      partitionBytes,
      count: { split: how.split, normalizer: how.normalizer, specialTokens: how.specialTokens, lines, fields },
      dataset: null,
      tokenizer: null,
    };
    plans.push(planned(JSON.stringify(plan)));
  }
  return plans;
}

/** Size, and the bytes behind the last newline (readers of lines don't tell whether the last line has one). */
async function look(path: string, lines: boolean): Promise<{ bytes: number; openEnded: number }> {
  const { size } = await stat(path);
  if (!lines || size === 0) return { bytes: size, openEnded: 0 };
  const file = await open(path, 'r');
  try {
    for (let end = size; end > 0; end -= CHUNK) {
      const start = Math.max(0, end - CHUNK);
      const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
      const at = buffer.lastIndexOf(0x0a);
      if (at >= 0) return { bytes: size, openEnded: size - start - at - 1 };
    }
    return { bytes: size, openEnded: size };
  } finally {
    await file.close();
  }
}

const CHUNK = 1 << 16;

/** Is this a place that only an engine can reach? */
export const isRemote = (path: string) => /^[a-z][a-z0-9+.-]+:\/\//i.test(path);

/** The format by a URI's last part. */
export const formatOfUri = (uri: string) => formatOf(uri.replace(/[?#].*$/, ''));
