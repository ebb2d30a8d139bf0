/** The recipe of a training run as people write it (YAML): its schema with every default. */
import { z } from 'zod';
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
export type LoopRecipe = z.output<typeof loopSchema>;
