/**
 * A recipe (model, optimizer, schedule, training) and a dataset folder in, a run folder with a trained model out.
 * The run folder also holds config.json (the model's, Hugging Face keys) and the vocabulary, so that it stands alone.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { writeWhole } from '../atomic.ts';
import { type Manifest, readDatasetManifest } from '../dataset/manifest.ts';
import { buildModel, countParameters, type Model, type ModelConfig } from '../model/index.ts';
import type { Watch } from '../progress.ts';
import { datasetSource } from './data.ts';
import type { TrainEvent } from './events.ts';
import { loopSchema } from './recipe.ts';
import type { BatchShape } from './source.ts';
import { type SampleContext, type TrainResult, trainPrograms } from './trainer.ts';

export const recipeSchema = loopSchema.extend({
  model: z
    .looseObject({ family: z.enum(['llama', 'gpt', 'bert', 'marian', 'transformer']) })
    .describe('the family and the keys of its config.json; vocab_size comes from the dataset'),
  isolate: z.boolean().default(true).describe('packed documents of a row do not see each other'),
});
export type Recipe = z.output<typeof recipeSchema>;

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
  const { recipe, dataset, vocab, out, sample } = options;
  const manifest = await readDatasetManifest(dataset);
  const config = modelConfig(recipe, manifest);
  const model = buildModel(config);
  const packed = packedInputs(config.family, recipe.isolate);
  const smoothing = { labelSmoothing: recipe.training.label_smoothing };
  await writeWhole(join(out, 'config.yaml'), stringify({ ...recipe, model: config }));
  await writeWhole(join(out, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  await writeWhole(join(out, 'tokenizer.json'), await readFile(join(vocab, 'tokenizer.json')));
  const { batch_size: batchSize, seed } = recipe.training;
  const result = await trainPrograms({
    programs: {
      parameters: model.parameters,
      training: (shape) => model.trainingProgram({ ...sizes(shape), ...packed, ...smoothing }),
      evaluation: (shape) => model.evaluationProgram({ ...sizes(shape), ...packed }),
    },
    data: await datasetSource({ dir: dataset, batchSize, seed }),
    recipe,
    out,
    resume: options.resume,
    weights: options.weights,
    threads: options.threads,
    maxSteps: options.maxSteps,
    identity: { dataset: manifest.planSha256, model: config },
    sample: sample && ((context) => sample({ ...context, model })),
    onEvent: options.onEvent,
    onProgress: options.onProgress,
    signal: options.signal,
  });
  return { ...result, parameters: countParameters(model.parameters) };
}

/** What keeps the documents of a packed row apart, in the families that read such rows. */
export function packedInputs(family: string, isolate: boolean): { segmentIds?: boolean; positionIds?: boolean } {
  return isolate && ['llama', 'gpt'].includes(family) ? { segmentIds: true, positionIds: true } : {};
}

/** The recipe's model with the sizes that the dataset decides. */
export function modelConfig(recipe: Recipe, { plan }: Manifest): ModelConfig {
  const { pad, bos, eos } = plan.vocabulary.special;
  const ids = Object.entries({ pad_token_id: pad, bos_token_id: bos, eos_token_id: eos });
  const positions =
    recipe.model.family === 'gpt' ? { n_positions: plan.seqLen } : { max_position_embeddings: plan.seqLen };
  return {
    ...positions,
    ...Object.fromEntries(ids.filter(([, id]) => id !== null)),
    ...recipe.model,
    vocab_size: plan.vocabulary.size,
  } as unknown as ModelConfig;
}

const sizes = (shape: BatchShape) => ({ batchSize: shape.batchSize ?? 0, seqLen: shape.seqLen ?? 0 });
