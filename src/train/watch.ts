/** Losses in, a reason to stop out where one is not finite or they stay far above their running mean. */
import type { TrainingRecipe } from './recipe.ts';

/** Updates before the running mean is trusted. */
const SETTLED = 50;
/** Non-finite updates in a row that `skip` bears. */
const SKIPS = 10;

export class LossWatch {
  /** Exponential mean of the loss, decay 0.98; null before the first. */
  mean: number | null;
  private readonly recipe: Pick<TrainingRecipe, 'on_nonfinite' | 'spike'>;
  private seen = 0;
  private high = 0;
  private skipped = 0;

  constructor(recipe: Pick<TrainingRecipe, 'on_nonfinite' | 'spike'>, mean: number | null) {
    this.recipe = recipe;
    this.mean = mean;
  }

  /** `applied`: whether loss and gradients were finite. */
  see(loss: number, applied: boolean): string | undefined {
    if (!applied) {
      this.skipped++;
      if (this.recipe.on_nonfinite === 'skip' && this.skipped <= SKIPS) return undefined;
      return `the loss or a gradient is not finite (loss ${loss})`;
    }
    this.skipped = 0;
    this.seen++;
    const { spike } = this.recipe;
    if (spike && this.mean !== null && this.seen > SETTLED && loss > spike.factor * this.mean) {
      this.high++;
      if (this.high >= spike.patience) {
        return `the loss ${loss.toFixed(4)} was above ${spike.factor} times its mean ${this.mean.toFixed(4)} for ${this.high} updates`;
      }
      // A spike does not lift the mean that it is measured by.
      return undefined;
    }
    this.high = 0;
    this.mean = this.mean === null ? loss : 0.98 * this.mean + 0.02 * loss;
    return undefined;
  }
}
