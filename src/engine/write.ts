/** What is to be built or counted in, the plan for its stages as a file out, and how many there are to run. */
import { resolve } from 'node:path';
import { writeWhole } from '../atomic.ts';
import type { BuildDatasetOptions } from '../dataset/build.ts';
import { MillraceError } from '../errors.ts';
import { callNative } from '../native.ts';
import type { WordOptions, WordSources } from '../tokenizer/words.ts';
import { planCountStages, planDatasetStages } from './plan.ts';

export type PlanRequest = { path: string } & (
  | { dataset: BuildDatasetOptions }
  | { count: WordSources; how: WordOptions }
);

/** Throws `config` for what can't be done in one pass over independent partitions. */
export async function writePlans(
  request: PlanRequest,
): Promise<{ path: string; hash: string; partitions: number; text: string }> {
  const { path } = request;
  let plans: Awaited<ReturnType<typeof planCountStages>>;
  if ('dataset' in request) {
    const { dedup, nearDedup } = request.dataset.clean ?? {};
    if (dedup || nearDedup !== undefined) {
      throw new MillraceError('config', 'copies are found in all partitions together, not in each alone', {
        hint: 'run with --engine (Spark, Ray), or leave out --dedup and --near-dedup',
      });
    }
    plans = [await planDatasetStages(request.dataset)];
  } else plans = await planCountStages(request.count, request.how);
  const [plan, another] = plans;
  if (!plan || another) {
    throw new MillraceError('input', 'plain text and records are counted by plans of their own', {
      hint: 'name either the one or the others',
    });
  }
  await writeWhole(path, plan.text);
  const last = plan.portions.length - 1;
  if ('dataset' in request) callNative((native) => native.openStages(resolve(request.dataset.out), plan.text));
  const text = `wrote ${path}: ${plan.portions.length} partitions, to be run as 0 to ${last}`;
  return { path, hash: plan.hash, partitions: plan.portions.length, text };
}
