/**
 * Programs, batches and a recipe in, a trained model in a run folder out: the loop, with its schedule, validation,
 * checkpoints, exact resume and stops. Knows no model family and no dataset format.
 */
import { MillraceError } from '../errors.ts';
import type { Program } from '../model/program.ts';
import type { Watch } from '../progress.ts';
import { type LoopState, listCheckpoints, saveCheckpoint, tidyCheckpoints } from './checkpoint.ts';
import { evaluateBatches, ProgramCache } from './evaluate.ts';
import type { TrainEvent } from './events.ts';
import type { MetricsFile } from './metrics.ts';
import { type OpenedRun, openRun } from './opened.ts';
import type { LoopRecipe } from './recipe.ts';
import { learningRate } from './schedule.ts';
import type { Session, StepResult } from './session.ts';
import { type BatchSource, microBatches, type ProgramSource, type TrainBatch } from './source.ts';
import { flopsOf, stepEvent } from './step.ts';
import type { TensorBoardFile } from './tensorboard.ts';
import { LossWatch } from './watch.ts';

export interface SampleContext {
  session: Session;
  step: number;
  signal: AbortSignal | undefined;
}

/** What `trainPrograms` takes. */
export interface TrainerOptions extends Watch {
  programs: ProgramSource;
  data: BatchSource;
  recipe: LoopRecipe;
  /** The run folder. */
  out: string;
  /** `auto`: go on from the newest whole checkpoint, or start afresh where there is none. A path: from that one. */
  resume?: string | undefined;
  /** A .safetensors file to start from instead of drawn weights. */
  weights?: string | undefined;
  threads?: number | undefined;
  /** `cpu` by default; see device.ts. */
  device?: string | undefined;
  /** Stop early, after this many updates. */
  maxSteps?: number | undefined;
  /** Small texts to put into each checkpoint, by file name: config.json, so that a checkpoint says what it is of. */
  files?: Record<string, string> | undefined;
  /** What makes a run another run: compared on resume. */
  identity?: Record<string, unknown> | undefined;
  /** Measured by the caller; `utilisation` is left out where it is not given. */
  peakFlops?: number | undefined;
  /** Texts to keep, called every `sample_every` updates. */
  sample?: ((context: SampleContext) => Promise<string[]>) | undefined;
  onEvent?: ((event: TrainEvent) => void) | undefined;
}

/** How training ended. */
export interface TrainResult {
  step: number;
  /** Of the last update and the last validation. */
  loss: number;
  validationLoss: number | undefined;
  checkpoint: string;
}

/**
 * @throws `cancelled` after a checkpoint was saved, where the signal was aborted; `failed` where the loss is not finite or
 * stays high; `corrupt` where the checkpoint to resume from is damaged; `config` where it is of another run.
 */
export async function trainPrograms(options: TrainerOptions): Promise<TrainResult> {
  const run = new Run(options, await openRun(options));
  try {
    return await run.loop();
  } finally {
    await run.close();
  }
}

class Run {
  private readonly options: TrainerOptions;
  private readonly session: Session;
  private readonly state: LoopState;
  private readonly metrics: MetricsFile;
  private readonly board: TensorBoardFile;
  private readonly checkpoints: string;
  private readonly training: ProgramCache;
  private readonly evaluation: ProgramCache;
  private readonly watch: LossWatch;
  private readonly resumedFrom: string | undefined;
  private validationLoss: number | undefined;
  private lastLoss = Number.NaN;
  private readonly began = performance.now();
  private readonly secondsBefore: number;

  constructor(options: TrainerOptions, opened: OpenedRun) {
    const { programs, recipe } = options;
    const { session, state } = opened;
    this.options = options;
    this.session = session;
    this.state = state;
    this.metrics = opened.metrics;
    this.board = opened.board;
    this.checkpoints = opened.checkpoints;
    this.resumedFrom = opened.resumedFrom;
    this.secondsBefore = state.seconds;
    this.training = new ProgramCache(session, (shape) => programs.training(shape));
    this.evaluation = new ProgramCache(session, (shape) => programs.evaluation(shape));
    this.watch = new LossWatch(recipe.training, state.meanLoss);
    for (const message of opened.warnings) this.emit({ type: 'warning', step: state.step, message });
  }

  private emit(event: TrainEvent): void {
    this.metrics.write(event);
    this.board.write(event);
    this.options.onEvent?.(event);
  }

  async loop(): Promise<TrainResult> {
    const { recipe, data, maxSteps, signal } = this.options;
    const { training } = recipe;
    const last = Math.min(training.steps, maxSteps ?? training.steps);
    const reader = microBatches(data.train(this.state.cursor ?? undefined), training.accumulation);
    try {
      // The next micro-batches are read while the runtime works on the present ones.
      let next = ahead(reader.next());
      let before = performance.now();
      let started = false;
      while (this.state.step < last) {
        if (signal?.aborted) return await this.stop();
        const { value: micros } = await next;
        if (!micros) throw new MillraceError('input', 'the training data ended');
        if (!started) {
          await this.announce(micros);
          started = true;
          before = performance.now();
        }
        const step = this.state.step;
        const lr = learningRate(recipe.schedule, { step, steps: training.steps, lr: recipe.optimizer.lr });
        const loaded = await Promise.all(
          micros.map(async ({ shape, feeds }) => ({ loaded: await this.training.get(shape), feeds })),
        );
        const running = this.session.step(loaded, {
          lr,
          maxNorm: recipe.optimizer.clip ?? undefined,
          seed: training.seed,
          step,
        });
        next = ahead(reader.next());
        const result = await running;
        const now = performance.now();
        this.finishStep(micros, result, { lr, ms: now - before, programs: loaded.map(({ loaded }) => loaded.program) });
        before = now;
        if (await this.between(last)) before = performance.now();
      }
    } finally {
      await reader.return(undefined);
    }
    return this.end('finished');
  }

  private async announce(micros: TrainBatch[]): Promise<void> {
    const { programs, recipe, data, peakFlops } = this.options;
    const loaded = await Promise.all(micros.map(({ shape }) => this.training.get(shape)));
    // Building a graph holds the event loop: validation's is built here, not in the midst of training.
    for await (const { shape } of data.validation?.() ?? []) {
      await this.evaluation.get(shape);
      break;
    }
    const flops = flopsOf(loaded.map(({ program }) => program));
    this.emit({
      type: 'start',
      time: new Date().toISOString(),
      step: this.state.step,
      steps: recipe.training.steps,
      parameters: programs.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
      tokensPerStep: micros.reduce((sum, { tokens }) => sum + tokens, 0),
      threads: this.session.threads,
      device: this.session.device,
      ...(flops !== undefined && { flopsPerStep: flops }),
      ...(peakFlops !== undefined && { peakFlops }),
      ...(this.resumedFrom !== undefined && { resumedFrom: this.resumedFrom }),
    });
  }

  /** Bookkeeping of one update; throws where the loss tells to stop. */
  private finishStep(
    micros: TrainBatch[],
    result: StepResult,
    { lr, ms, programs }: { lr: number; ms: number; programs: Program[] },
  ): void {
    const { state, options } = this;
    const { steps, log_every } = options.recipe.training;
    const tokens = micros.reduce((sum, batch) => sum + batch.tokens, 0);
    const loss = result.losses.reduce((a, b) => a + b, 0);
    state.step += 1;
    state.updates = this.session.updates;
    state.tokens += tokens;
    state.cursor = micros.at(-1)?.cursor ?? null;
    this.lastLoss = loss;
    const names = programs[0]?.losses.map(({ name }) => name) ?? [];
    const flops = flopsOf(programs);
    const verdict = this.watch.see(loss, result.applied);
    state.meanLoss = this.watch.mean;
    if (state.step % log_every === 0 || state.step === 1 || state.step === steps || !result.applied || verdict) {
      this.emit(
        stepEvent({
          state,
          result,
          names,
          tokens,
          lr,
          ms,
          ...(options.peakFlops && flops && { utilisation: flops / (ms / 1000) / options.peakFlops }),
        }),
      );
    }
    options.onProgress?.({ phase: 'train', done: state.step, total: steps, unit: 'steps' });
    if (verdict) {
      throw new MillraceError('failed', `step ${state.step}: ${verdict}`, {
        hint: 'lower the learning rate or lengthen the warmup; the last checkpoint is from before',
      });
    }
  }

  /** Validation, samples and checkpoints that are due. True where any was. */
  private async between(last: number): Promise<boolean> {
    const { recipe, data, sample, signal } = this.options;
    const { validate_every, checkpoint_every, sample_every } = recipe.training;
    const { step } = this.state;
    const due = (every: number | undefined) => every !== undefined && step % every === 0;
    const atEnd = step === last;
    let did = false;
    if (data.validation && (due(validate_every) || atEnd)) {
      await this.validate();
      did = true;
    }
    if (sample && (due(sample_every) || (atEnd && sample_every !== undefined))) {
      try {
        for (const text of await sample({ session: this.session, step, signal }))
          this.emit({ type: 'sample', step, text });
      } catch (error) {
        // Stopped in the midst of it: the training is to save its last step all the same.
        if (!signal?.aborted) throw error;
      }
      did = true;
    }
    if (due(checkpoint_every) && !atEnd) {
      await this.checkpoint();
      did = true;
    }
    return did;
  }

  private async validate(): Promise<void> {
    const { recipe, data } = this.options;
    if (!data.validation) return;
    const start = performance.now();
    const averaged = recipe.optimizer.ema !== undefined;
    if (averaged) this.session.swapAverage();
    try {
      const { losses, accuracy, ...rest } = await evaluateBatches({
        session: this.session,
        programs: this.evaluation,
        batches: data.validation(),
        limit: recipe.training.validation_batches,
        tokenBytes: data.tokenBytes,
      });
      this.validationLoss = rest.loss;
      this.state.bestLoss = Math.min(this.state.bestLoss ?? Number.POSITIVE_INFINITY, rest.loss);
      this.emit({
        type: 'validation',
        step: this.state.step,
        ...rest,
        ...(Object.keys(losses).length > 1 && { losses }),
        ...(Object.keys(accuracy).length > 0 && { accuracy }),
        ms: performance.now() - start,
      });
    } finally {
      if (averaged) this.session.swapAverage();
    }
  }

  private async checkpoint(): Promise<string> {
    const start = performance.now();
    this.state.seconds = this.secondsBefore + (start - this.began) / 1000;
    const path = await saveCheckpoint(this.checkpoints, {
      session: this.session,
      state: this.state,
      texts: this.options.files,
    });
    await tidyCheckpoints(this.checkpoints, { keep: this.options.recipe.training.keep });
    this.emit({ type: 'checkpoint', step: this.state.step, path, ms: performance.now() - start });
    return path;
  }

  private async stop(): Promise<never> {
    const { checkpoint } = await this.end('stopped');
    throw new MillraceError('cancelled', `training was stopped after step ${this.state.step}, saved as ${checkpoint}`, {
      hint: 'go on with --resume auto',
    });
  }

  private async end(reason: 'finished' | 'stopped'): Promise<TrainResult> {
    const [newest] = await listCheckpoints(this.checkpoints);
    const saved = newest?.step === this.state.step ? newest.path : undefined;
    const checkpoint = saved ?? (await this.checkpoint());
    this.emit({
      type: 'end',
      time: new Date().toISOString(),
      step: this.state.step,
      reason,
      seconds: this.secondsBefore + (performance.now() - this.began) / 1000,
      peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
    });
    return { step: this.state.step, loss: this.lastLoss, validationLoss: this.validationLoss, checkpoint };
  }

  async close(): Promise<void> {
    await Promise.all([this.metrics.close(), this.board.close()]);
  }
}

/** A promise that may fail before anybody waits for it. */
function ahead<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
