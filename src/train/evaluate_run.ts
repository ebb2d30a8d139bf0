/** A trained model and a dataset in, its figures on a held-out split out. */
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';
import type { Model } from '../model/index.ts';
import type { Watch } from '../progress.ts';
import { datasetSource } from './data.ts';
import { type Evaluation, evaluateBatches, ProgramCache } from './evaluate.ts';
import { loadRun } from './load_run.ts';
import { programsOf } from './model.ts';
import { Session } from './session.ts';

export interface EvaluateModelOptions extends Watch {
  model: Model;
  /** Puts the weights into the session. */
  load: (session: Session) => Promise<unknown>;
  dataset: string;
  /** The dataset's tokenizer.json or its folder: with a byte-level one the evaluation has bits a byte. */
  vocab?: string | undefined;
  split?: 'validation' | 'test' | undefined;
  batchSize: number;
  /** At most so many batches; all by default. */
  batches?: number | undefined;
  /** Packed documents do not see each other. */
  isolate: boolean;
  threads?: number | undefined;
}

/** @throws `input` where the dataset has no rows in the split. */
export async function evaluateModel(options: EvaluateModelOptions): Promise<Evaluation> {
  const { model, load, dataset, vocab, split = 'validation', batchSize, isolate, threads, batches, signal } = options;
  const data = await datasetSource({ dir: dataset, batchSize, seed: 0, heldOut: split, vocab });
  if (!data.validation) {
    throw new MillraceError('input', `${dataset} has no ${split} rows`, {
      hint: `give split.${split} a larger share when you build it`,
    });
  }
  const session = Session.create({ parameters: model.parameters, threads });
  await load(session);
  const programs = new ProgramCache(session, programsOf(model, { isolate, native: true }).evaluation);
  return evaluateBatches({
    session,
    programs,
    batches: data.validation(),
    limit: batches,
    tokenBytes: data.tokenBytes,
    signal,
  });
}

/** What `evaluateRun` takes. */
export interface EvaluateRunOptions extends Omit<EvaluateModelOptions, 'model' | 'load' | 'isolate'> {
  /** Run folder: its newest whole checkpoint counts. */
  run: string;
}

/**
 * Measures a run's newest whole checkpoint on held-out rows of a dataset.
 *
 * @throws `input` where the folder holds no run or the dataset no rows of the split, `corrupt` where no checkpoint is whole.
 * @example
 * const { loss, perplexity } = await evaluateRun({ run: 'runs/first', dataset: 'dataset', batchSize: 16 });
 */
export async function evaluateRun({ run, ...options }: EvaluateRunOptions): Promise<Evaluation> {
  const { model, checkpoint, isolate } = await loadRun(run);
  const load = (session: Session) => session.loadWeights(join(checkpoint, 'model.safetensors'));
  return evaluateModel({ vocab: run, ...options, model, load, isolate });
}
