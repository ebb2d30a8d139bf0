/** A recipe and its dataset in, what training would be out: sizes, memory, steps. Builds the graph; writes and runs nothing. */
import { type Manifest, readDatasetManifest } from '../dataset/manifest.ts';
import { buildModel, countParameters, type ModelConfig } from '../model/index.ts';
import { graphOptions, modelConfig, programsOf } from './model.ts';
import type { Recipe } from './recipe.ts';
import type { BatchShape } from './source.ts';

/** What a training would take: parameters, tokens, memory. */
export interface TrainPlan {
  model: ModelConfig;
  parameters: number;
  tokensPerStep: number;
  /** Tokens over the whole run, and passes over the training rows. */
  tokens: number;
  epochs: number | undefined;
  flopsPerStep: number | undefined;
  /** Estimates, in bytes. */
  memory: Memory;
}

export interface Memory {
  /** Node, the runtime and their code. */
  process: number;
  weights: number;
  gradients: number;
  /** Both moments; AMSGrad's and the average where they are on. */
  optimizer: number;
  /** Intermediate tensors of a micro-batch, at their highest. */
  activations: number | undefined;
  total: number | undefined;
}

/**
 * What a recipe would take, before anything is trained. Writes nothing.
 *
 * @example
 * const { parameters, memory } = await planTraining({ recipe, dataset: 'dataset' });
 */
export async function planTraining({ recipe, dataset }: { recipe: Recipe; dataset: string }): Promise<TrainPlan> {
  return planFrom({ recipe, manifest: await readDatasetManifest(dataset) });
}

export function planFrom({ recipe, manifest }: { recipe: Recipe; manifest: Manifest }): TrainPlan {
  const { training } = recipe;
  const config = modelConfig(recipe, manifest);
  const shape = shapeFor(config.family, { batchSize: training.batch_size, manifest });
  const rows = manifest.splits.find(({ name }) => name === 'train')?.rows;
  const perStep = training.batch_size * training.accumulation;
  const tokensPerStep = perStep * ((shape.seqLen ?? 0) + (shape.sourceLen ?? 0));
  return {
    ...sizeUp({ recipe, config, shape }),
    tokensPerStep,
    tokens: tokensPerStep * training.steps,
    epochs: rows ? (perStep * training.steps) / rows : undefined,
  };
}

/** What a run of a model of next to no size takes: measured on Linux x64, Node 20. */
const PROCESS = 170e6;

/** The same without a dataset, for a config that names all its sizes. */
export function sizeUp({ recipe, config, shape }: { recipe: Recipe; config: ModelConfig; shape: BatchShape }) {
  const { training, optimizer } = recipe;
  const model = buildModel(config);
  const program = programsOf(model, { isolate: recipe.isolate, ...graphOptions(recipe) }).training(shape);
  const bytes = (count: number) => 4 * count;
  const stored = model.parameters.reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0);
  const trained = countParameters(model.parameters.filter(({ frozen }) => !frozen));
  const extra = (optimizer.amsgrad ? 1 : 0) + (optimizer.ema === undefined ? 0 : 1);
  const memory: Memory = {
    process: PROCESS,
    weights: bytes(stored),
    gradients: bytes(trained) * (training.accumulation > 1 ? 2 : 1),
    optimizer: bytes(trained) * (2 + extra),
    activations: program.activationBytes,
    total: undefined,
  };
  const { weights, gradients, optimizer: moments, activations } = memory;
  if (activations !== undefined) memory.total = PROCESS + weights + gradients + moments + activations;
  return {
    model: config,
    parameters: countParameters(model.parameters),
    flopsPerStep: program.flops === undefined ? undefined : program.flops * training.accumulation,
    memory,
  };
}

function shapeFor(family: string, { batchSize, manifest }: { batchSize: number; manifest: Manifest }): BatchShape {
  const { seqLen, task } = manifest.plan;
  const pairs = family === 'marian' || family === 'transformer';
  const places = task.maxPredictions;
  return {
    batchSize,
    seqLen,
    ...(pairs && { sourceLen: seqLen }),
    ...(family === 'bert' && typeof places === 'number' && { maxPredictions: places }),
  };
}
