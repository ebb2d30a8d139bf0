/** Decoder-only language models: a trunk and a head go in, the recipe of their losses and logits comes out. */
import { reshape, rows, type Value } from '../graph/index.ts';
import type { ProgramBuilder } from './builder.ts';
import { pick } from './inputs.ts';
import { type Model, makeModel, type ProgramOptions, type Recipe, type TrainingOptions } from './model.ts';

export interface CausalParts {
  vocabulary: number;
  /** The inputs -> [batch, time, width]. */
  trunk(b: ProgramBuilder, options: ProgramOptions): Value;
  /** [.., width] -> [.., vocabulary]. */
  head(b: ProgramBuilder, hidden: Value): Value;
}

export function causalLanguageModel<C extends { family: string }>(config: C, parts: CausalParts): Model<C> {
  return makeModel(config, causalRecipe(parts));
}

/** `labels` int32 [batch, time] are the next tokens, already shifted; -100 where there is nothing to predict. */
export function causalRecipe({ vocabulary, trunk, head }: CausalParts): Recipe {
  return {
    decode: { vocabulary, decoder: (b, _, options) => trunk(b, options), head },
    loss(b, options) {
      languageModelLoss(b, head(b, trunk(b, options)), 'labels', options);
    },
    logits(b, options) {
      const hidden = trunk(b, options);
      const at = options.at === 'last' ? pick(hidden, b.input('last_index', 'int32', [options.batchSize])) : hidden;
      b.output('logits', head(b, at));
    },
  };
}

/** Adds the term `lm` for logits [batch, time, vocabulary] and the input `labelsName` int32 [batch, time]. */
export function languageModelLoss(b: ProgramBuilder, logits: Value, labelsName: string, options: LossSettings): void {
  const labels = b.input(labelsName, 'int32', logits.shape.slice(0, -1));
  const { labelSmoothing: smoothing = 0, weight = 1 } = options;
  b.loss('lm', { logits: rows(logits), labels, smoothing, weight });
  if (options.logits) b.output('logits', reshape(logits, logits.shape));
}

export type LossSettings = Pick<TrainingOptions, 'labelSmoothing' | 'logits'> & { weight?: number };
