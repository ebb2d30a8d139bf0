/** A schedule, a step and the run's length in, the learning rate of that step out. Steps count from 0. */
import { z } from 'zod';

const warmup = z.int().min(0).default(0);

export const scheduleSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), warmup }),
  z.strictObject({
    kind: z.literal('cosine'),
    warmup,
    /** The rate at the end, as a share of the peak. */
    min_ratio: z.number().min(0).max(1).default(0.1),
    /** The step at which the end is reached; the run's length by default. */
    decay_steps: z.int().positive().optional(),
  }),
  z.strictObject({ kind: z.literal('linear'), warmup, min_ratio: z.number().min(0).max(1).default(0) }),
  z.strictObject({ kind: z.literal('inverse-sqrt'), warmup: z.int().positive() }),
  z.strictObject({ kind: z.literal('noam'), warmup: z.int().positive(), d_model: z.int().positive() }),
  z.strictObject({
    kind: z.literal('wsd'),
    warmup,
    /** Steps of the last phase, in which the rate falls linearly. */
    decay: z.int().positive(),
    min_ratio: z.number().min(0).max(1).default(0),
  }),
]);

export type Schedule = z.output<typeof scheduleSchema>;

/**
 * - `constant`: linear warmup, then the peak.
 * - `cosine`: nanoGPT's: peak (s + 1) / (warmup + 1) first, then half a cosine down to `min_ratio` of the peak.
 * - `linear`: `get_linear_schedule_with_warmup` of Hugging Face: peak s / warmup first, then straight down to the end.
 * - `inverse-sqrt`: peak (s + 1) / warmup first, then peak sqrt(warmup / (s + 1)).
 * - `noam`: lr d_model^-0.5 min((s + 1)^-0.5, (s + 1) warmup^-1.5) (Vaswani et al. 2017, eq. 3); `lr` is a factor.
 * - `wsd`: warmup, stable, decay (Hu et al. 2024): peak (s + 1) / warmup, the peak, then straight down over `decay` steps.
 */
export function learningRate(
  schedule: Schedule,
  { step, steps, lr }: { step: number; steps: number; lr: number },
): number {
  const { warmup } = schedule;
  const rise = warmup > 0 ? Math.min(1, (step + 1) / warmup) : 1;
  switch (schedule.kind) {
    case 'constant':
      return lr * rise;
    case 'cosine': {
      const end = schedule.decay_steps ?? steps;
      if (step < warmup) return (lr * (step + 1)) / (warmup + 1);
      const low = lr * schedule.min_ratio;
      if (step >= end) return low;
      return low + 0.5 * (1 + Math.cos((Math.PI * (step - warmup)) / (end - warmup))) * (lr - low);
    }
    case 'linear': {
      if (step < warmup) return (lr * step) / warmup;
      const left = Math.max(0, (steps - step) / Math.max(1, steps - warmup));
      return lr * Math.max(schedule.min_ratio, left);
    }
    case 'inverse-sqrt':
      return lr * Math.min(rise, Math.sqrt(warmup / (step + 1)));
    case 'noam':
      return lr * schedule.d_model ** -0.5 * Math.min((step + 1) ** -0.5, (step + 1) * warmup ** -1.5);
    case 'wsd': {
      const left = Math.min(1, Math.max(0, (steps - step) / schedule.decay));
      return lr * Math.min(rise, Math.max(schedule.min_ratio, left));
    }
  }
}
