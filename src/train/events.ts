/** What a training run tells, one JSON object a line in metrics.jsonl. Steps count finished updates, from 1. */

export interface StartEvent {
  type: 'start';
  time: string;
  /** Updates already done: 0, or what the checkpoint says. */
  step: number;
  steps: number;
  parameters: number;
  /** Of every step, padding included. */
  tokensPerStep: number;
  threads: number;
  device: string;
  /** Floating-point operations of a step's matrix products, and what a plain matrix product reached here (FLOP/s). */
  flopsPerStep?: number;
  peakFlops?: number;
  resumedFrom?: string;
}

export interface StepEvent {
  type: 'step';
  step: number;
  /** Mean over the step's items, in nats; the sum over the terms. */
  loss: number;
  /** Each term alone, where there is more than one. */
  losses?: Record<string, number>;
  lr: number;
  /** Before clipping. */
  gradNorm: number;
  /** Consumed since the first step, padding included. */
  tokens: number;
  tokensPerSecond: number;
  /** Wall time since the step before, and of it inside the runtime and the optimizer. */
  ms: number;
  runMs: number;
  optimizerMs: number;
  /** Resident memory of the process. */
  rssMb: number;
  /** Share of the measured peak that the step's matrix products reached over the whole step. */
  utilisation?: number;
  /** True where the update was left out because a loss or gradient was not finite. */
  skipped?: true;
}

export interface ValidationEvent {
  type: 'validation';
  step: number;
  loss: number;
  losses?: Record<string, number>;
  /** exp(loss) of the language-model term. */
  perplexity?: number;
  bitsPerByte?: number;
  /** Share of right answers, by term. */
  accuracy?: Record<string, number>;
  items: number;
  ms: number;
}

export interface SampleEvent {
  type: 'sample';
  step: number;
  text: string;
}

export interface CheckpointEvent {
  type: 'checkpoint';
  step: number;
  path: string;
  ms: number;
}

export interface WarningEvent {
  type: 'warning';
  step: number;
  message: string;
}

export interface EndEvent {
  type: 'end';
  time: string;
  step: number;
  reason: 'finished' | 'stopped';
  seconds: number;
  peakRssMb: number;
}

/** One line of metrics.jsonl. */
export type TrainEvent =
  | StartEvent
  | StepEvent
  | ValidationEvent
  | SampleEvent
  | CheckpointEvent
  | WarningEvent
  | EndEvent;
