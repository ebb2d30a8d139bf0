/** The recipe of a training run as people write it (YAML): its schema with every default. */
import { z } from 'zod';
import { familySchemas } from '../model/index.ts';
import { scheduleSchema } from './schedule.ts';

export const optimizerSchema = z.strictObject({
  kind: z.literal('adamw').default('adamw'),
  lr: z.number().positive().describe('the peak learning rate'),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.95]),
  eps: z.number().min(0).default(1e-8),
  weight_decay: z.number().min(0).default(0.1).describe('decoupled; of tensors with two dimensions or more'),
  decay_all: z.boolean().default(false).describe('decay biases and norms too'),
  clip: z.number().positive().nullable().default(1).describe('of the global gradient norm; null: no clipping'),
  amsgrad: z.boolean().default(false),
  ema: z.number().gt(0).lt(1).optional().describe('decay of an average of the weights, kept beside them'),
});

export const trainingSchema = z.strictObject({
  steps: z.int().positive().describe('optimizer updates'),
  batch_size: z.int().positive().describe('rows of a micro-batch'),
  accumulation: z.int().positive().default(1).describe('micro-batches of an update'),
  seed: z.int().min(0).default(1).describe('of first weights, dropout and the order of rows'),
  validate_every: z.int().positive().default(250).describe('updates; also at the end'),
  validation_batches: z.int().positive().optional().describe('at most; all by default'),
  checkpoint_every: z.int().positive().default(500).describe('updates; also at the end'),
  keep: z.int().positive().default(3).describe('checkpoints'),
  sample_every: z.int().positive().optional().describe('updates'),
  log_every: z.int().positive().default(1).describe('updates between step events'),
  precision: z
    .enum(['float32', 'bfloat16'])
    .default('float32')
    .describe('of matrix products; weights, moments and sums stay float32'),
  recompute: z
    .boolean()
    .default(false)
    .describe('compute activations again in the backward pass: less memory, more time'),
  label_smoothing: z.number().min(0).lt(1).default(0),
  on_nonfinite: z.enum(['stop', 'skip']).default('stop').describe('what to do where a loss or gradient is not finite'),
  spike: z
    .strictObject({
      factor: z.number().gt(1).default(3).describe('of the running mean of the loss'),
      patience: z.int().positive().default(20).describe('updates in a row'),
    })
    .nullable()
    .default({ factor: 3, patience: 20 })
    .describe('stop where the loss stays above; null: never'),
});

export type OptimizerRecipe = z.output<typeof optimizerSchema>;
export type TrainingRecipe = z.output<typeof trainingSchema>;

/** How to train, without what and on what. */
export const loopSchema = z.strictObject({
  optimizer: optimizerSchema,
  schedule: scheduleSchema.default({ kind: 'constant', warmup: 0 }),
  training: trainingSchema,
});
/** `loopSchema` with every default filled in. */
export type LoopRecipe = z.output<typeof loopSchema>;

const { llama, gpt, bert, marian, transformer } = familySchemas;
/** Decided by the dataset where the recipe doesn't say. */
const fromDataset = { vocab_size: true, max_position_embeddings: true } as const;

/** A family and the keys of its config.json; anything else is an error. */
export const modelSchema = z.discriminatedUnion('family', [
  llama
    .partial(fromDataset)
    .extend({ family: z.literal('llama') })
    .strict(),
  gpt
    .partial({ vocab_size: true, n_positions: true })
    .extend({ family: z.literal('gpt') })
    .strict(),
  bert
    .partial(fromDataset)
    .extend({ family: z.literal('bert') })
    .strict(),
  marian
    .partial(fromDataset)
    .extend({ family: z.literal('marian') })
    .strict(),
  transformer
    .partial({ vocab_size: true })
    .extend({ family: z.literal('transformer') })
    .strict(),
]);

/** Checks a training recipe and fills in its defaults. */
export const recipeSchema = loopSchema.extend({
  model: modelSchema.describe('the family and the keys of its config.json; the dataset gives the sizes left out'),
  isolate: z.boolean().default(true).describe('packed documents of a row do not see each other'),
});
/** A training recipe with every default filled in. */
export type Recipe = z.output<typeof recipeSchema>;

/** A recipe in a file of its own, for `millrace train`. */
export const recipeFileSchema = recipeSchema.extend({
  dataset: z.string().describe('folder made by `millrace dataset build`'),
  vocab: z.string().describe('folder of the vocabulary that the dataset was made with'),
  out: z.string().describe('the run folder'),
  threads: z.int().positive().optional().describe('all cores by default; bit-identical for one number only'),
});
