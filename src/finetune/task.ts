/** What a kind of fine-tuning hands to the loop: the model to train, its rows, and how rows become batches. */
import { isAdapter, LORA_TARGETS, type ModelConfig, type TrainingOptions } from '../model/index.ts';
import type { Pretrained } from '../pretrained/open.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { BatchSource } from '../train/source.ts';
import type { FinetuneRecipe } from './recipe.ts';
import { randomOf, shuffle } from './rows.ts';

export interface TaskContext {
  recipe: FinetuneRecipe;
  pretrained: Pretrained;
  tokenizer: Tokenizer;
  /** Tokens of a row at most. */
  limit: number;
}

export interface Task {
  config: ModelConfig;
  data: BatchSource;
  /** Parameters that the checkpoint need not have. */
  fresh: (name: string) => boolean;
  options?: Pick<TrainingOptions, 'attentionMask' | 'lambda'>;
  /** Names of the classes. */
  labels?: string[];
  /** Files that the run folder gets beside config.json. */
  files?: Record<string, string>;
  /** Scores the checkpoint when it is done. */
  score?: (checkpoint: string) => Promise<Record<string, unknown>>;
}

/** The class heads of our families. */
export const isHead = (name: string): boolean => /^(classifier|score)\./.test(name);

/** Which parameters learn. What the checkpoint does not have (`stored`) was never learnt, so it learns with the head. */
export function trainable(
  { update }: FinetuneRecipe,
  stored: (name: string) => boolean,
): ((name: string) => boolean) | undefined {
  if (update === 'all') return undefined;
  return (name) => isHead(name) || !stored(name) || (update === 'lora' && isAdapter(name));
}

/** Keys of each family's config that say how much is dropped. */
const DROPOUT: Record<ModelConfig['family'], string[]> = {
  llama: ['attention_dropout'],
  gpt: ['embd_pdrop', 'attn_pdrop', 'resid_pdrop'],
  bert: ['hidden_dropout_prob', 'attention_probs_dropout_prob'],
  marian: ['dropout', 'attention_dropout'],
  transformer: ['dropout', 'attention_dropout'],
};

/** The config with the recipe's dropout, where it has one. */
export function withDropout(config: ModelConfig, { dropout }: FinetuneRecipe): ModelConfig {
  if (dropout === undefined) return config;
  return { ...config, ...Object.fromEntries(DROPOUT[config.family].map((key) => [key, dropout])) };
}

/** The config with the thin matrices of LoRA, where the recipe wants them. */
export function withLora(config: ModelConfig, { update, lora }: FinetuneRecipe): ModelConfig {
  if (update !== 'lora') return config;
  return { ...config, lora: { ...lora, targets: lora.targets ?? LORA_TARGETS[config.family]! } };
}

/** Draws a share of the rows for validation: always the same ones, whatever the run's seed. */
export function holdOut<T>(rows: T[], share: number): { train: T[]; validation: T[] } {
  const order = shuffle([...rows.keys()], randomOf(0, 0));
  const held = new Set(order.slice(0, Math.max(1, Math.round(share * rows.length))));
  return {
    train: rows.filter((_, i) => !held.has(i)),
    validation: rows.filter((_, i) => held.has(i)),
  };
}
