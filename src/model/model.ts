/** What every family offers: a config goes in, its parameter list and the programs that train, score and apply it come out. */

import type { Value } from '../graph/index.ts';
import type { Attend } from './attention.ts';
import { type GraphOptions, ProgramBuilder } from './builder.ts';
import { type DecodeOptions, type DecodeProgram, decodeProgram } from './decode.ts';
import { checkLora, type LoraConfig } from './lora.ts';
import type { Parameter, Program } from './program.ts';

export interface ProgramOptions {
  batchSize: number;
  /** Tokens a row; of the target side in encoder-decoders. */
  seqLen: number;
  /** Tokens a row of the source side (`input_ids` of encoder-decoders); `seqLen` by default. */
  sourceLen?: number;
  /** Take `position_ids` int32 [batch, time] as an input; 0, 1, 2 .. otherwise. */
  positionIds?: boolean;
  /** Take `segment_ids` int32 [batch, time]: packed documents do not see each other. Decoder-only families. */
  segmentIds?: boolean;
  /** Take `attention_mask` int32 [batch, time], 0 at padding. On by default but for language models of one side. */
  attentionMask?: boolean;
  /** Put out attention weights [batch, heads, queries, keys]: `attention.<layer>`, `cross_attention.<layer>`, .. */
  attentions?: boolean;
  /** Put out the encoder's last layer: `encoder` [batch, time, width]. BERT and the encoder-decoders. */
  hidden?: boolean;
  /** Attention over a cache: `own` in place of causal self-attention, `cross` in place of attention to the encoder. */
  cache?: { own: Attend; cross: Attend } | undefined;
  /** How many places `position_ids` may name; by default the model's own number, or `seqLen` where that is more. */
  places?: number;
}

export interface TrainingOptions extends ProgramOptions, GraphOptions {
  /** Which parameters are trained, by name; all by default. No backward is built for the rest. */
  trainable?: ((name: string) => boolean) | undefined;
  /** Put out the logits too. */
  logits?: boolean;
  /** Share of the target spread evenly over the vocabulary; language model terms. */
  labelSmoothing?: number;
  /**
   * BERT: masked tokens a row. They come as `masked_positions` and `masked_labels` int32 [batch, maxPredictions] (unused
   * places: label -100) and only they are projected to the vocabulary. Without it: `labels` int32 [batch, time].
   */
  maxPredictions?: number;
  /** GPT with a classification head: factor of the language model term beside it; 0 (no term) by default. */
  lambda?: number;
}

export interface LogitsOptions extends ProgramOptions {
  /** `last`: only at `last_index` int32 [batch], the index of each row's last token. */
  at?: 'all' | 'last';
}

/** A model: its parameters, and the programs that it makes. */
export interface Model<C = unknown> {
  family: string;
  config: C;
  /** In the order of the programs' parameter inputs. */
  parameters: Parameter[];
  /** Losses, counts and gradients; dropout on. */
  trainingProgram(options: TrainingOptions): Program;
  /** Losses, counts and numbers of right answers; dropout off. */
  evaluationProgram(options: TrainingOptions): Program;
  /** `logits` and no loss; float32 [batch, time, vocabulary], or [batch, vocabulary] at the last index. */
  logitsProgram(options: LogitsOptions): Program;
  /** One graph that reads prompts and single tokens over a cache. Decoder-only language models and encoder-decoders. */
  decodeProgram?(options: DecodeOptions): DecodeProgram;
  /** What it is made of, for graphs of other shapes: exports. */
  recipe: Recipe;
}

/** What differs between families: how inputs become losses, and how they become logits. */
export interface Recipe {
  loss(b: ProgramBuilder, options: TrainingOptions): void;
  logits(b: ProgramBuilder, options: LogitsOptions): void;
  /** For families that generate. */
  decode?: DecodeRecipe;
}

export interface DecodeRecipe {
  vocabulary: number;
  /** Source ids -> what the decoder looks at, [batch, source, width]. */
  encoder?(b: ProgramBuilder, ids: Value, mask: Value, options: ProgramOptions): Value;
  /** Ids [batch, time] -> [batch, time, width]. `source` where there is an encoder. */
  decoder(b: ProgramBuilder, ids: Value, options: ProgramOptions, source?: { memory: Value; mask: Value }): Value;
  /** [batch, width] -> [batch, vocabulary]. */
  head(b: ProgramBuilder, hidden: Value): Value;
}

export function makeModel<C extends { family: string; lora?: LoraConfig }>(config: C, recipe: Recipe): Model<C> {
  const { lora } = config;
  const build = (b: ProgramBuilder, options: TrainingOptions): Program => {
    recipe.loss(b, options);
    return b.program();
  };
  const sizes = new ProgramBuilder({ lora });
  recipe.loss(sizes, { batchSize: 1, seqLen: 1 });
  if (lora)
    checkLora(
      lora,
      sizes.parameters.map(({ name }) => name),
    );
  return {
    family: config.family,
    config,
    recipe,
    parameters: sizes.parameters,
    trainingProgram: (options) => build(new ProgramBuilder({ ...options, lora, training: true }), options),
    evaluationProgram: ({ precision, native, portable, ...options }) =>
      build(new ProgramBuilder({ lora, precision, native, portable }), options),
    logitsProgram(options) {
      const b = new ProgramBuilder({ lora });
      recipe.logits(b, options);
      return b.program();
    },
    ...(recipe.decode && {
      decodeProgram: (options: DecodeOptions) => decodeProgram(recipe.decode!, { ...options, lora }),
    }),
  };
}

/** How many numbers the parameters hold; tied ones and buffers that are never trained count once and not at all. */
export function countParameters(parameters: Parameter[]): number {
  return parameters
    .filter(({ buffer }) => !buffer)
    .reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);
}
