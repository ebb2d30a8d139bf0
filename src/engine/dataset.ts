/** A corpus and a vocabulary in, a dataset folder out, as `buildDataset` makes it, built by an engine. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { BuildDatasetOptions } from '../dataset/build.ts';
import type { InputFile, Manifest } from '../dataset/manifest.ts';
import { MillraceError } from '../errors.ts';
import { callNative, fromNative, native } from '../native.ts';
import { resolveOn } from './corpus.ts';
import type { Engine } from './engine.ts';
import { mergeStages } from './merge.ts';
import { type PlannedStages, planDatasetStages } from './plan.ts';

/** Seconds of the jobs of a build, for those who measure. */
export interface Timed {
  onJob?: ((job: { job: string; seconds: number }) => void) | undefined;
}

/** Options as of `buildDataset`, but for Parquet. `inputs`: what is known of the files already (path, bytes, sha256); they are hashed otherwise. */
export async function buildDatasetOn(
  engine: Engine,
  options: BuildDatasetOptions & Timed & { inputs?: InputFile[] | undefined },
): Promise<Manifest> {
  if (options.parquet) {
    throw new MillraceError('config', 'shards as Parquet are written by a local build only', {
      hint: 'leave out parquet, or run without --engine',
    });
  }
  const corpus = await resolveOn(engine, options);
  const stages = await planDatasetStages(options, corpus);
  const out = resolve(options.out);
  await mkdir(out, { recursive: true });
  const work = await mkdtemp(join(tmpdir(), 'millrace-engine-'));
  try {
    const plan = join(work, 'plan.json');
    await writeFile(plan, stages.text);
    const done = callNative((module) => module.openStages(out, stages.text));
    const job = { plan, portions: stages.portions, done };
    const copies = await findCopies(engine, options, stages, { ...job, done: [] }, work);
    const { seconds } = await engine.run({ job: 'build', ...job, out, copies });
    options.onJob?.({ job: 'build', seconds });
    const begun = performance.now();
    const known = corpus.listed?.map(({ path, bytes }) => ({ path, bytes, sha256: '' }));
    const { maxRejects, signal, onProgress } = options;
    const inputs = options.inputs ?? known;
    const manifest = await mergeStages({ plan: stages.text, out, inputs, maxRejects, signal, onProgress });
    options.onJob?.({ job: 'merge', seconds: (performance.now() - begun) / 1000 });
    return manifest;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** By portion, the documents that are copies of others. */
async function findCopies(
  engine: Engine,
  options: BuildDatasetOptions & Timed,
  { plan }: PlannedStages,
  job: Record<string, unknown>,
  work: string,
): Promise<Record<string, string>> {
  const { dedup, nearDedup } = plan.dataset!.clean as { dedup: boolean; nearDedup: number | null };
  if (!dedup && nearDedup === null) return {};
  const copies = join(work, 'copies.arrows');
  const { seconds } = await engine.run({ job: 'dedup', ...job, copies });
  options.onJob?.({ job: 'dedup', seconds });
  try {
    return JSON.parse(await native().resolveCopies([copies])) as Record<string, string>;
  } catch (error) {
    throw fromNative(error);
  }
}
