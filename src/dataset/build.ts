/** A corpus and a vocabulary in, a dataset folder out: Arrow shards of rows for one task, and manifest.json. */
import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import type { CleanOptions } from '../corpus/clean.ts';
import { type Corpus, type CorpusOptions, resolveCorpus } from '../corpus/resolve.ts';
import { MillraceError } from '../errors.ts';
import { callNative, runNative } from '../native.ts';
import type { Watch } from '../progress.ts';
import type { Manifest, Plan } from './manifest.ts';
import { type Pack, type TaskOptions, taskRequest } from './task.ts';

/** What `buildDataset` takes. */
export interface BuildDatasetOptions extends CorpusOptions, Watch {
  /** Folder of the vocabulary (with tokenizer.json), or the tokenizer.json itself. */
  vocab: string;
  /** Default `causal`. */
  task?: TaskOptions['kind'] | TaskOptions | undefined;
  /** Tokens of a row. */
  seqLen: number;
  /** Folder to write. A dataset that is there is replaced once the new one is whole. */
  out: string;
  /** Shares that add up to 1; documents go where their hash falls. Default 0.98 and 0.02. */
  split?: { train: number; validation?: number; test?: number } | undefined;
  seed?: number | undefined;
  /** Of causal, mlm and chat rows: `best-fit` (default), `concat`, `none`. */
  pack?: Pack | undefined;
  /** Stages that change or leave out documents before anything else; none by default. */
  clean?: CleanOptions | undefined;
  threads?: number | undefined;
  /** Records that may be refused (they go to rejects.jsonl) before the build stops. Default 0. */
  maxRejects?: number | undefined;
  /** Write each shard as Parquet too, beside the Arrow file. Default false. */
  parquet?: boolean | undefined;
  /** Bytes of text that become one shard. Default 32 MiB; with a dupeFactor so much less that shards stay as large. */
  partitionBytes?: number | undefined;
}

/**
 * Builds a dataset. The bytes depend on the text, the vocabulary and the options, not on the number of threads; a build
 * that was killed goes on where it stopped.
 *
 * @example
 * await buildDataset({ files: ['corpora/moby-dick.yaml'], vocab: 'vocab', seqLen: 256, out: 'dataset' });
 */
export async function buildDataset(options: BuildDatasetOptions): Promise<Manifest> {
  const request = await toRequest(options);
  const manifest = await runNative((native, task) => native.buildDataset(task, request), {
    ...options,
    phase: 'dataset',
    unit: 'bytes',
  });
  return JSON.parse(manifest) as Manifest;
}

/** What `buildDataset` would do with the same options: the plan, and the files it would read. Writes nothing. */
export async function planDataset(
  options: BuildDatasetOptions,
): Promise<{ plan: Plan; files: { path: string; bytes: number }[] }> {
  const { files } = await resolveCorpus(options);
  const request = await toRequest(options);
  const plan = callNative((native) => native.planDataset(request));
  return { plan: JSON.parse(plan) as Plan, files: files.map(({ path, bytes }) => ({ path, bytes })) };
}

/** What the native crate is asked for, as JSON. `corpus`: the files, where they have been found already. */
export async function toRequest(options: BuildDatasetOptions, corpus?: Corpus): Promise<string> {
  corpus ??= await resolveCorpus(options);
  const { train, validation = 0, test = 0 } = options.split ?? { train: 0.98, validation: 0.02 };
  if (!Number.isSafeInteger(options.seqLen)) throw new MillraceError('config', 'seqLen must be a whole number');
  const fields = corpus.field === undefined ? [] : [corpus.field].flat();
  return JSON.stringify({
    vocab: options.vocab,
    task: toTask(options),
    seqLen: options.seqLen,
    seed: options.seed ?? 0,
    split: [train, validation, test],
    fields,
    clean: options.clean ?? {},
    partitionBytes: options.partitionBytes ?? partitionBytes(options.task),
    sources: corpus.files.map(({ path, format }) => ({ path: portable(path), format })),
    out: resolve(options.out),
    threads: options.threads ?? availableParallelism(),
    maxRejects: options.maxRejects ?? 0,
    parquet: options.parquet ?? false,
  });
}

/** Relative to the working folder and with forward slashes, so that the manifest is the same on another machine. */
function portable(path: string): string {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) return path; // a URI
  const short = relative(process.cwd(), resolve(path));
  return (short.startsWith('..') ? path : short).replaceAll('\\', '/');
}

/** What a thread holds in memory: 32 MiB of text, but no less than 4 MiB, in which documents find others to pair with. */
function partitionBytes(task: BuildDatasetOptions['task']): number {
  const dupes = typeof task === 'object' && 'dupeFactor' in task ? (task.dupeFactor ?? 1) : 1;
  return Math.max(Math.floor((32 << 20) / dupes), 4 << 20);
}

function toTask(options: BuildDatasetOptions): object {
  const named = typeof options.task === 'object' ? options.task : ({ kind: options.task ?? 'causal' } as TaskOptions);
  const task = 'pack' in named || options.pack === undefined ? named : { ...named, pack: options.pack };
  return taskRequest(task as TaskOptions, options.seqLen);
}
