/**
 * A recipe (model, optimizer, schedule, training) and a dataset folder in, a run folder with a trained model out.
 * The run folder also holds config.json (the model's, Hugging Face keys) and the vocabulary, so that it stands alone.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { writeWhole } from '../atomic.ts';
import { readDatasetManifest } from '../dataset/manifest.ts';
import { buildModel, countParameters, type Model } from '../model/index.ts';
import type { Watch } from '../progress.ts';
import { datasetSource } from './data.ts';
import type { TrainEvent } from './events.ts';
import { graphOptions, modelConfig, programsOf } from './model.ts';
import { measurePeakFlops } from './peak.ts';
import type { Recipe } from './recipe.ts';
import { type SampleContext, type TrainResult, trainPrograms } from './trainer.ts';

export { modelConfig, packedInputs } from './model.ts';
export { type Recipe, recipeSchema } from './recipe.ts';

/** What `train` takes. */
export interface TrainOptions extends Watch {
  recipe: Recipe;
  /** Folder made by `buildDataset`. */
  dataset: string;
  /** Folder with the tokenizer.json that the dataset was made with; copied into the run folder. */
  vocab: string;
  /** The run folder. */
  out: string;
  resume?: string | undefined;
  weights?: string | undefined;
  threads?: number | undefined;
  /** `cpu` by default; see device.ts. */
  device?: string | undefined;
  maxSteps?: number | undefined;
  sample?: ((context: SampleContext & { model: Model }) => Promise<string[]>) | undefined;
  onEvent?: ((event: TrainEvent) => void) | undefined;
}

/**
 * @throws `config` where the model can't be built, `input` where there is no dataset, and as `trainPrograms` does.
 * @example
 * const { validationLoss, checkpoint } = await train({ recipe, dataset: 'dataset', vocab: 'vocab', out: 'runs/first' });
 */
export async function train(options: TrainOptions): Promise<TrainResult & { parameters: number }> {
  const { recipe, dataset, vocab, out, sample, threads } = options;
  const manifest = await readDatasetManifest(dataset);
  const config = modelConfig(recipe, manifest);
  const model = buildModel(config);
  const { batch_size: batchSize, seed, accumulation, label_smoothing: labelSmoothing } = recipe.training;
  const configJson = `${JSON.stringify(config, null, 2)}\n`;
  await writeWhole(join(out, 'config.yaml'), stringify({ ...recipe, model: config, dataset, vocab }));
  await writeWhole(join(out, 'config.json'), configJson);
  await writeWhole(join(out, 'tokenizer.json'), await readFile(join(vocab, 'tokenizer.json')));
  const result = await trainPrograms({
    programs: programsOf(model, { isolate: recipe.isolate, labelSmoothing, ...graphOptions(recipe, options.device) }),
    data: await datasetSource({ dir: dataset, batchSize, seed, vocab }),
    recipe,
    out,
    resume: options.resume,
    weights: options.weights,
    threads,
    device: options.device,
    maxSteps: options.maxSteps,
    files: { 'config.json': configJson },
    identity: { dataset: manifest.planSha256, model: config, rows: batchSize * accumulation },
    peakFlops: await measurePeakFlops({ threads, device: options.device }),
    sample: sample && ((context) => sample({ ...context, model })),
    onEvent: options.onEvent,
    onProgress: options.onProgress,
    signal: options.signal,
  });
  return { ...result, parameters: countParameters(model.parameters) };
}
