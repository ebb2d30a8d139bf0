/**
 * A trainer's options in, an open run out: its folder, its weights as drawn, given or stored in a checkpoint, and the files that
 * events go to.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../errors.ts';
import {
  type LoopState,
  listCheckpoints,
  loadCheckpoint,
  newestCheckpoint,
  tidyCheckpoints,
  verifyCheckpoint,
} from './checkpoint.ts';
import { MetricsFile } from './metrics.ts';
import { Session } from './session.ts';
import { TensorBoardFile } from './tensorboard.ts';
import type { TrainerOptions } from './trainer.ts';

/** What the loop goes on from. */
export interface OpenedRun {
  session: Session;
  state: LoopState;
  metrics: MetricsFile;
  board: TensorBoardFile;
  /** The folder of checkpoints. */
  checkpoints: string;
  resumedFrom: string | undefined;
  /** What the user should know: damaged checkpoints, settings that differ from the resumed run's. */
  warnings: string[];
}

const fresh = (identity: Record<string, unknown>): LoopState => ({
  step: 0,
  updates: 0,
  tokens: 0,
  cursor: null,
  meanLoss: null,
  bestLoss: null,
  seconds: 0,
  identity,
});

/** @throws as `trainPrograms`. */
export async function openRun(options: TrainerOptions): Promise<OpenedRun> {
  const { recipe, out, programs, threads, device } = options;
  const { optimizer, training } = recipe;
  const checkpoints = join(out, 'checkpoints');
  await mkdir(checkpoints, { recursive: true });
  await tidyCheckpoints(checkpoints);
  if (options.resume === undefined && (await listCheckpoints(checkpoints)).length > 0) {
    throw new MillraceError('config', `${out} holds checkpoints of an earlier run`, {
      hint: 'go on with --resume auto, or train into another folder',
    });
  }

  const parameters = optimizer.decay_all
    ? programs.parameters.map((parameter) => ({ ...parameter, decay: true }))
    : programs.parameters;
  const session = Session.create({ parameters, threads, device });
  session.optimize({
    betas: optimizer.betas,
    eps: optimizer.eps,
    weightDecay: optimizer.weight_decay,
    amsgrad: optimizer.amsgrad,
    ema: optimizer.ema,
  });
  const identity = { seed: training.seed, threads: session.threads, ...options.identity };
  const { found, refused } = await findCheckpoint(checkpoints, options.resume);
  const warnings = found ? compareIdentity(found, identity) : [];
  const state = found ? { ...found.state, identity } : fresh(identity);
  if (found) await loadCheckpoint(found.path, session, state);
  else if (options.weights) await session.loadWeights(options.weights);
  else await session.init(training.seed);

  const metrics = await MetricsFile.open(join(out, 'metrics.jsonl'), { from: state.step });
  const board = await TensorBoardFile.open(out, { from: state.step });
  const going = found ? `going on from ${found.path}` : 'starting afresh';
  return {
    session,
    state,
    metrics,
    board,
    checkpoints,
    resumedFrom: found?.path,
    warnings: [...refused.map((message) => `${message}; ${going}`), ...warnings],
  };
}

async function findCheckpoint(folder: string, resume: string | undefined) {
  if (resume === undefined) return { found: undefined, refused: [] };
  if (resume === 'auto') return newestCheckpoint(folder);
  const { state } = await verifyCheckpoint(resume);
  return { found: { path: resume, state }, refused: [] };
}

/** Warnings where a resumed run differs in what changes its numbers. */
function compareIdentity(found: { path: string; state: LoopState }, now: Record<string, unknown>): string[] {
  return Object.entries(now).flatMap(([key, value]) => {
    const before = found.state.identity?.[key];
    const same = JSON.stringify(before) === JSON.stringify(value);
    if (same) return [];
    return `${found.path} was made with ${key} ${JSON.stringify(before)}, now it is ${JSON.stringify(value)}: the run will not be the one that an undisturbed run would have been`;
  });
}
