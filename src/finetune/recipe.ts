/** The recipe of a fine-tuning run as people write it (YAML): its schema with every default. */
import { z } from 'zod';
import { loopSchema } from '../train/recipe.ts';

const files = z.union([z.string().transform((file) => [file]), z.array(z.string()).min(1)]);

/** Checks a fine-tuning recipe and fills in its defaults. */
export const finetuneSchema = loopSchema.extend({
  checkpoint: z.string().describe('a run, a checkpoint or a Hugging Face folder'),
  vocab: z.string().optional().describe("the vocabulary's folder, where the checkpoint does not say"),
  out: z.string().describe('the run folder to write'),
  task: z
    .enum(['classify', 'chat', 'translate'])
    .describe('classify texts or pairs; answer in conversations; turn sources into targets'),
  data: z.strictObject({
    train: files.describe('globs of .jsonl, .json or .tsv files'),
    validation: files.optional().describe('globs; without it a share of the training examples'),
    validation_share: z.number().gt(0).lt(1).default(0.1),
    fields: z
      .strictObject({
        text: z.string().default('text'),
        pair: z.string().optional().describe('the second text, where texts come in pairs'),
        label: z.string().default('label'),
        source: z.string().default('source'),
        target: z.string().default('target'),
      })
      .prefault({}),
  }),
  max_length: z.int().positive().optional().describe("tokens of a row at most; the model's context by default"),
  update: z
    .enum(['all', 'head', 'lora'])
    .default('all')
    .describe('what learns: every weight; the new class head alone; thin matrices beside frozen weights'),
  lora: z
    .strictObject({
      rank: z.int().positive().default(8),
      alpha: z.number().positive().default(16),
      targets: z.array(z.string()).min(1).optional().describe('last parts of names of linear layers'),
      dropout: z.number().min(0).lt(1).default(0),
    })
    .prefault({}),
  dropout: z.number().min(0).lt(1).optional().describe("in place of the checkpoint's own dropout, wherever it drops"),
  lambda: z
    .number()
    .min(0)
    .default(0)
    .describe("GPT, classify: factor of the language model's loss beside the class's"),
  chat_template: z.string().optional().describe('a Jinja file; else that of the checkpoint, else ChatML'),
  random_init: z.boolean().default(false).describe('leave the weights of the checkpoint out: a baseline'),
});
/** A fine-tuning recipe with every default filled in. */
export type FinetuneRecipe = z.output<typeof finetuneSchema>;
