/** A recipe and a dataset's manifest in, the model and the programs that its batches need out. */
import type { Manifest } from '../dataset/manifest.ts';
import { MillraceError } from '../errors.ts';
import type { GraphOptions } from '../model/builder.ts';
import type { Model, ModelConfig, TrainingOptions } from '../model/index.ts';
import type { LoopRecipe, Recipe } from './recipe.ts';
import type { BatchShape, ProgramSource } from './source.ts';

/** The recipe's model with the sizes that the dataset decides. */
export function modelConfig({ model }: Pick<Recipe, 'model'>, { plan }: Manifest): ModelConfig {
  const { size, special } = plan.vocabulary;
  if (model.vocab_size !== undefined && model.vocab_size < size) {
    throw new MillraceError('config', `vocab_size is ${model.vocab_size}, the dataset's vocabulary has ${size}`, {
      hint: 'leave vocab_size out, or round it up',
    });
  }
  const ids = Object.entries({ pad_token_id: special.pad, bos_token_id: special.bos, eos_token_id: special.eos });
  const positions =
    model.family === 'gpt'
      ? { n_positions: plan.seqLen }
      : model.family === 'transformer'
        ? {}
        : { max_position_embeddings: plan.seqLen };
  return {
    ...positions,
    ...Object.fromEntries(ids.filter(([, id]) => id !== null)),
    vocab_size: size,
    ...model,
  } as unknown as ModelConfig;
}

/** What keeps the documents of a packed row apart, in the families that read such rows. */
export function packedInputs(family: string, isolate: boolean): { segmentIds?: boolean; positionIds?: boolean } {
  return isolate && ['llama', 'gpt'].includes(family) ? { segmentIds: true, positionIds: true } : {};
}

/**
 * A model as the loop takes it, one program for each shape of batch.
 *
 * @example
 * await trainPrograms({ programs: programsOf(model, { native: true }), data, recipe, out: 'runs/own' });
 */
export function programsOf(
  model: Model,
  { isolate = true, labelSmoothing = 0, ...graph }: ProgramChoice = {},
): ProgramSource {
  const packed = packedInputs(model.family, isolate);
  return {
    parameters: model.parameters,
    training: (shape) => model.trainingProgram({ ...sizes(shape), ...packed, labelSmoothing, ...graph }),
    evaluation: (shape) =>
      model.evaluationProgram({ ...sizes(shape), ...packed, native: graph.native, portable: graph.portable }),
  };
}

/**
 * How training graphs are made for a device. On the CPU: the native crate's operators, and its AdamW outside the graph. On
 * another device: AdamW inside, so that weights and moments stay there, unless the recipe asks for what that form lacks.
 */
export function graphOptions({ training, optimizer }: LoopRecipe, device = 'cpu'): GraphOptions {
  const { precision, recompute, accumulation } = training;
  const { betas, eps, weight_decay: weightDecay, amsgrad, decay_all, ema } = optimizer;
  const common = { ...(recompute && { checkpoint: true }) };
  if (device === 'cpu')
    // The CPU has no products of bfloat16: their operands are rounded instead.
    return { ...common, native: true, precision: precision === 'bfloat16' ? 'bfloat16-emulated' : precision };
  const inside = accumulation === 1 && !amsgrad && !decay_all && ema === undefined;
  const portable = device === 'webgpu';
  return { ...common, precision, portable, ...(inside && { optimizer: { betas, eps, weightDecay } }) };
}

/** How a model's training programs are made. */
export interface ProgramChoice extends GraphOptions {
  /** Packed documents of a row do not see each other, in the families that read packed rows. Default true. */
  isolate?: boolean;
  labelSmoothing?: number;
}

function sizes({ batchSize = 0, seqLen = 0, sourceLen, maxPredictions }: BatchShape): TrainingOptions {
  return {
    batchSize,
    seqLen,
    ...(sourceLen !== undefined && { sourceLen }),
    ...(maxPredictions !== undefined && { maxPredictions }),
  };
}
