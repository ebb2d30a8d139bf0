/** A run folder and a dataset in, the figures of its newest whole checkpoint on the validation split out. */
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';
import { datasetSource } from './data.ts';
import { type Evaluation, evaluateBatches, ProgramCache } from './evaluate.ts';
import { loadRun } from './load_run.ts';
import { Session } from './session.ts';

export interface EvaluateRunOptions {
  /** Run folder. */
  run: string;
  dataset: string;
  batchSize: number;
  threads?: number | undefined;
  signal?: AbortSignal | undefined;
}

export async function evaluateRun({
  run,
  dataset,
  batchSize,
  threads,
  signal,
}: EvaluateRunOptions): Promise<Evaluation> {
  const { model, checkpoint, packed } = await loadRun(run);
  const data = await datasetSource({ dir: dataset, batchSize, seed: 0 });
  if (!data.validation) {
    throw new MillraceError('input', `${dataset} has no validation rows`, {
      hint: 'give split.validation a larger share',
    });
  }
  const session = Session.create({ parameters: model.parameters, threads });
  await session.loadWeights(join(checkpoint, 'model.safetensors'));
  const programs = new ProgramCache(session, ({ batchSize = 0, seqLen = 0 }) =>
    model.evaluationProgram({ batchSize, seqLen, ...packed }),
  );
  return evaluateBatches({ session, programs, batches: data.validation(), bytesPerToken: data.bytesPerToken, signal });
}
