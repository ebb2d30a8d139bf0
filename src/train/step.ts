/** The result of an update in, the event that reports it out. */
import type { Program } from '../model/program.ts';
import type { LoopState } from './checkpoint.ts';
import type { StepEvent } from './events.ts';
import type { StepResult } from './session.ts';

/** What an event is made of. */
export interface FinishedStep {
  /** As it is after the update. */
  state: LoopState;
  result: StepResult;
  /** Of the loss terms. */
  names: string[];
  /** Of this update alone. */
  tokens: number;
  lr: number;
  ms: number;
  /** Share of the processor's measured peak. */
  utilisation?: number | undefined;
}

/** The event `step` of an update. */
export function stepEvent({ state, result, names, tokens, lr, ms, utilisation }: FinishedStep): StepEvent {
  return {
    type: 'step',
    step: state.step,
    loss: result.losses.reduce((a, b) => a + b, 0),
    ...(names.length > 1 && { losses: Object.fromEntries(names.map((name, t) => [name, result.losses[t] ?? 0])) }),
    lr,
    gradNorm: result.gradNorm,
    tokens: state.tokens,
    tokensPerSecond: (1000 * tokens) / ms,
    ms,
    runMs: result.runMs,
    optimizerMs: result.optimizerMs,
    rssMb: Math.round(process.memoryUsage.rss() / 1e6),
    ...(utilisation !== undefined && { utilisation }),
    ...(!result.applied && { skipped: true as const }),
  };
}

/** Floating-point operations of programs together; undefined where one doesn't say. */
export function flopsOf(programs: Program[]): number | undefined {
  return programs.reduce<number | undefined>(
    (sum, { flops }) => (sum === undefined || flops === undefined ? undefined : sum + flops),
    0,
  );
}
