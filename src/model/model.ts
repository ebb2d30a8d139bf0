/** What every family offers: a config goes in, its parameter list and the programs that train, score and apply it come out. */
import type { Parameter, Program } from './program.ts';

export interface ProgramOptions {
  batchSize: number;
  seqLen: number;
  /** Take `position_ids` int32 [batch, time] as an input; 0, 1, 2 .. otherwise. */
  positionIds?: boolean;
  /** Take `segment_ids` int32 [batch, time]: packed documents do not see each other. */
  segmentIds?: boolean;
  /** Take `attention_mask` int32 [batch, time], 0 at padding. */
  attentionMask?: boolean;
  /** Put out `attention.<layer>` [batch, heads, queries, keys]. */
  attentions?: boolean;
}

export interface TrainingOptions extends ProgramOptions {
  /** Which parameters are trained, by name; all by default. No backward is built for the rest. */
  trainable?: ((name: string) => boolean) | undefined;
  /** Put out the logits too. */
  logits?: boolean;
  labelSmoothing?: number;
}

export interface LogitsOptions extends ProgramOptions {
  /** `last`: only at `last_index` int32 [batch], the index of each row's last token. */
  at?: 'all' | 'last';
}

export interface Model<C = unknown> {
  config: C;
  family: string;
  /** In the order of the programs' parameter inputs. */
  parameters: Parameter[];
  /** Losses, counts and gradients. */
  trainingProgram(options: TrainingOptions): Program;
  /** Losses and counts alone, dropout off. */
  evaluationProgram(options: TrainingOptions): Program;
  /** `logits` float32 [batch, time, vocabulary], or [batch, vocabulary] at the last index. */
  logitsProgram(options: LogitsOptions): Program;
}

export function countParameters(parameters: Parameter[]): number {
  return parameters.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);
}
